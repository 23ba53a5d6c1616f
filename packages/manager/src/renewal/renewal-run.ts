/** One run of a manager: asks the CAs, renews, shows that it is there, and checks in. */
import { markDefaultAccount } from '../accounts/stateless.ts';
import type { Configuration } from '../configuration/configuration.ts';
import { type Context, decide } from '../context.ts';
import { heartbeat } from '../decide/upkeep.ts';
import type { RenewalOutcome } from './outcome.ts';
import { type RenewalOptions, renewDue } from './renewal.ts';
import { askRenewalInfo } from './renewal-info.ts';
import type { RenewalInfoNotes } from './renewal-info-schedule.ts';

/** What a run needs besides the bus and the CAs. */
export interface RunDependencies {
  /** This manager's notes of when to ask the CAs. */
  readonly notes: RenewalInfoNotes;
  /** Reports a successful run to a dead man's switch. */
  readonly checkIn: (url: string, signal: AbortSignal) => Promise<void>;
}

const FAILED: ReadonlySet<RenewalOutcome['outcome']> = new Set(['failed', 'postponed']);

/**
 * Whether a run left nothing behind: nothing failed, and nothing that has ended or is urgent was not renewed, be it that another manager
 * claims it.
 */
const isInOrder = (outcomes: readonly RenewalOutcome[]): boolean =>
  !outcomes.some(({ outcome, isEnding }) => isEnding || FAILED.has(outcome));

/**
 * Asks the CAs when to renew (RFC 9773), renews what is due, writes a heartbeat where the bus has been quiet, and checks in where
 * nothing failed and nothing that has ended or is urgent was left. Rejects `CERTBUS_MANAGER_CHECK_IN_FAILED`, with a `StoreError`, or with the signal's reason.
 */
export async function renewAsConfigured(
  context: Context,
  options: RenewalOptions & RunDependencies & { readonly config: Configuration },
): Promise<readonly RenewalOutcome[]> {
  const { config, signal, checkIn } = options;
  await markDefaultAccount(context, config, signal);
  await askRenewalInfo(context, options);
  const outcomes = await renewDue(context, options);
  await decide(context, heartbeat, { signal });
  const url = config.checkIn?.url;
  if (url && isInOrder(outcomes)) await checkIn(url, signal);
  return outcomes;
}
