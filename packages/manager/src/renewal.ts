import type { ManagedCertificate } from '@certbus/events';
import { defaultDirectory } from './account.ts';
import { isShared } from './back-off.ts';
import type { Configuration } from './configuration.ts';
import type { Context } from './context.ts';
import { destinationOf } from './decide/authority.ts';
import { ManagerError } from './errors.ts';
import { reasonOf } from './failure.ts';
import { type RunOptions, renew } from './issue.ts';

/** What became of one due certificate. */
export interface RenewalOutcome {
  readonly certificateId: string;
  readonly names: readonly string[];
  /** `postponed`: not tried, since its CA or the account there failed for another certificate of this run. */
  readonly outcome: 'renewed' | 'claimed-elsewhere' | 'failed' | 'postponed';
  readonly serialNumber?: string | undefined;
  /** With `failed`, and with `postponed` that of the other certificate. */
  readonly error?: unknown;
}

const PARALLEL = 5;

const isClaimedElsewhere = (error: unknown): boolean =>
  error instanceof ManagerError &&
  (error.code === 'CERTBUS_MANAGER_CLAIMED_ELSEWHERE' || error.code === 'CERTBUS_MANAGER_CLAIM_LOST');

/**
 * Renews what is due, most urgent first, a few at a time. One that fails holds no other up: its error is in its outcome. Where the
 * CA or the account there fails as a whole, the rest that comes from it is left for the next run. Only an abort rejects, with its
 * reason, after every claim was released.
 */
export async function renewDue(
  context: Context,
  {
    limit = 1_000,
    at,
    ...options
  }: RunOptions & { readonly config: Configuration; readonly limit?: number; readonly at?: Date },
): Promise<readonly RenewalOutcome[]> {
  const due = [...context.view.state.due(at ?? context.now(), limit)];
  const outcomes: RenewalOutcome[] = [];
  const troubles = new Map<string, unknown>();
  const { config } = options;

  async function renewOne(certificate: ManagedCertificate): Promise<RenewalOutcome> {
    const { certificateId, names, directory: home = defaultDirectory(config) } = certificate;
    const subject = { certificateId, names };
    const unavailable = new Set(troubles.keys());
    const { authorities } = config;
    const { directory } = destinationOf(certificate, { home, authorities, unavailable, now: context.now() });
    if (unavailable.has(directory)) return { ...subject, outcome: 'postponed', error: troubles.get(directory) };
    try {
      const { serialNumber } = await renew(context, certificateId, { ...options, wait: false, unavailable });
      return { ...subject, outcome: 'renewed', serialNumber };
    } catch (error) {
      if (isClaimedElsewhere(error)) return { ...subject, outcome: 'claimed-elsewhere' };
      if (isShared(reasonOf(error).class)) troubles.set(directory, error);
      return { ...subject, outcome: 'failed', error };
    }
  }

  const worker = async () => {
    for (let next = due.shift(); next && !options.signal.aborted; next = due.shift()) {
      outcomes.push(await renewOne(next));
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  options.signal.throwIfAborted();
  return outcomes;
}
