/** Finds what is due before its pause ends: the outage is over, or the process that claims it has ended. */
import type { ManagedCertificate } from '@certbus/events';
import type { CertificateAuthority, Configuration } from '../configuration/configuration.ts';
import type { Context } from '../context.ts';
import { nextActionAfterOutage } from '../decide/outage.ts';
import { isAnswering } from '../issuance/outages.ts';
import { inTurns } from './turns.ts';

/** The CAs of a run, each asked once whether it is there, and the outages that are on the bus. */
export interface Answering {
  /** Whether the CA with this directory answers. One that is not in the configuration is not asked. */
  at(directory: string): Promise<boolean>;
  /** Whether a failure that is on the bus names the outage of this CA. */
  isRecorded(directory: string): boolean;
  record(directory: string): void;
  /** Whether a CA was asked and does not answer. */
  isAwaited(): boolean;
}

/** Asks nobody yet. */
export function createAnswering(context: Context, { authorities }: Configuration, signal: AbortSignal): Answering {
  const asked = new Map<string, Promise<boolean>>();
  const recorded = new Set<string>();
  let isAwaited = false;
  async function ask(authority: CertificateAuthority): Promise<boolean> {
    const answers = await isAnswering(context, authority, signal);
    if (!answers) isAwaited = true;
    return answers;
  }
  return {
    at(directory) {
      const authority = Object.values(authorities).find((each) => each.directory === directory);
      if (!authority) return Promise.resolve(false);
      const answer = asked.get(directory) ?? ask(authority);
      asked.set(directory, answer);
      return answer;
    },
    isRecorded: (directory) => recorded.has(directory),
    record: (directory) => void recorded.add(directory),
    isAwaited: () => isAwaited,
  };
}

/** What is due before its claim or its back-off ends. */
export type DueEarly = AsyncGenerator<ManagedCertificate, void>;

/** Asks about each holder once. */
function remembered(hasEnded: Context['hasEnded']): Context['hasEnded'] {
  const known = new Map<string, boolean>();
  return (holder) => {
    const answer = known.get(holder) ?? hasEnded(holder);
    known.set(holder, answer);
    return answer;
  };
}

/**
 * What would be due by `at` but for the back-off of an outage, where the CA answers again, or but for a claim, where its process is known to have
 * ended: one that is started again goes on at once with what it was killed at. Nothing more once the signal aborts.
 */
export async function* dueEarly(
  { view, now, hasEnded }: Context,
  { answering, at, signal }: { readonly answering: Answering; readonly at: Date; readonly signal: AbortSignal },
): DueEarly {
  const instant = now();
  const isOver = remembered(hasEnded);
  for await (const certificate of inTurns(view.state.paused({ until: at, wantedBy: at }))) {
    if (signal.aborted) return;
    const { failure, issuance } = certificate;
    if (issuance?.holder !== undefined && isOver(issuance.holder)) yield certificate;
    if (issuance || failure?.retryAt === undefined) continue;
    const next = nextActionAfterOutage(certificate, instant);
    if (next === undefined || next > at) continue;
    answering.record(failure.directory);
    // It rejects on an abort, which ends the run without being its failure.
    if (await answering.at(failure.directory).catch(() => false)) yield certificate;
  }
}
