/** Finds what waits for the back-off of an outage that is over. */
import type { ManagedCertificate } from '@certbus/events';
import type { Configuration } from '../configuration/configuration.ts';
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
}

/** Asks nobody yet. */
export function createAnswering(context: Context, { authorities }: Configuration, signal: AbortSignal): Answering {
  const asked = new Map<string, Promise<boolean>>();
  const recorded = new Set<string>();
  return {
    at(directory) {
      const authority = Object.values(authorities).find((each) => each.directory === directory);
      if (!authority) return Promise.resolve(false);
      const answer = asked.get(directory) ?? isAnswering(context, authority, signal);
      asked.set(directory, answer);
      return answer;
    },
    isRecorded: (directory) => recorded.has(directory),
    record: (directory) => void recorded.add(directory),
  };
}

/** What would be due by `at` but for the back-off of an outage, where the CA answers again. */
export async function* dueAfterOutage(
  { view, now }: Context,
  answering: Answering,
  at: Date,
): AsyncGenerator<ManagedCertificate, void> {
  const instant = now();
  for await (const certificate of inTurns(view.state.paused({ until: at, wantedBy: at }))) {
    const { failure, issuance } = certificate;
    if (issuance || failure?.retryAt === undefined) continue;
    const next = nextActionAfterOutage(certificate, instant);
    if (next === undefined || next > at) continue;
    answering.record(failure.directory);
    if (await answering.at(failure.directory)) yield certificate;
  }
}
