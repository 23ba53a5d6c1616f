/** Makes many certificates, some at a time, and goes on where one fails. */
import { nameSetKey } from '@certbus/events';
import type { IssueRequest, Manager, RunOptions } from '@certbus/manager';
import { type AnswerError, describeError } from '../answer.ts';
import { onWeekday } from './forecast-text.ts';
import type { NameSet } from './name-sets.ts';

/** What came of one of many certificates. */
export interface BulkOutcome extends NameSet {
  readonly outcome: 'issued' | 'already-managed' | 'failed';
  readonly certificateId: string | undefined;
  /** ISO 8601. */
  readonly notAfter: string | undefined;
  readonly error: AnswerError | undefined;
}

/** How many certificates are made. */
export interface BulkOptions extends RunOptions {
  /** All but the names. */
  readonly request: Omit<IssueRequest, 'names'>;
  /** How many are made at a time. */
  readonly parallel: number;
  /** Called with each outcome as it comes. */
  readonly onOutcome: (outcome: BulkOutcome) => void;
}

/** Does something for each item, so many at a time, in their order. Begins none once it is aborted, and resolves when what was begun has ended. */
export async function forEach<T>(
  items: readonly T[],
  { parallel, signal }: { readonly parallel: number; readonly signal: AbortSignal },
  run: (item: T) => Promise<void>,
): Promise<void> {
  const left = items.values();
  async function work(): Promise<void> {
    for (const item of left) {
      if (signal.aborted) return;
      await run(item);
    }
  }
  await Promise.all(Array.from({ length: parallel }, work));
}

/** Those that no process is at work on first: the others may have to wait for it. */
function inOrder({ state }: Pick<Manager, 'state'>, sets: readonly NameSet[]): NameSet[] {
  const isClaimed = ({ names }: NameSet) =>
    state.withNames(nameSetKey(names)).some(({ issuance }) => issuance?.holder !== undefined);
  const { true: claimed = [], false: free = [] } = Object.groupBy(sets, (set) => `${isClaimed(set)}` as const);
  return [...free, ...claimed];
}

/**
 * Makes a certificate for each set of names; what is managed already is left as it is, and what an interrupted run began is completed.
 * Resolves with all outcomes in the order of the sets; failures are among them. Once it is aborted, it resolves when every claim is released,
 * without the sets that the same command is left to make.
 */
export async function issueAll(
  manager: Pick<Manager, 'issue' | 'state'>,
  sets: readonly NameSet[],
  { request, parallel, onOutcome, ...run }: BulkOptions,
): Promise<BulkOutcome[]> {
  const outcomes = new Map<NameSet, BulkOutcome>();

  async function make(set: NameSet): Promise<BulkOutcome> {
    try {
      const { outcome, certificateId, notAfter } = await manager.issue({ ...request, names: set.names }, run);
      return { ...set, outcome, certificateId, notAfter: notAfter?.toISOString(), error: undefined };
    } catch (error) {
      return { ...set, outcome: 'failed', certificateId: undefined, notAfter: undefined, error: describeError(error) };
    }
  }

  await forEach(inOrder(manager, sets), { parallel, signal: run.signal }, async (set) => {
    const outcome = await make(set);
    // It was stopped, and did not fail.
    if (run.signal.aborted && outcome.outcome === 'failed') return;
    outcomes.set(set, outcome);
    onOutcome(outcome);
  });
  return sets.flatMap((set) => outcomes.get(set) ?? []);
}

/** A time of day says which day it is for so long, milliseconds. */
const SAME_DAY_MS = 12 * 3_600_000;

/** Counts outcomes, and estimates when the last one comes. */
export function createTally(total: number, startedAt: Date) {
  let done = 0;
  let worked = 0;
  return {
    /** Takes an outcome, and describes how far the run is: `12/300, 3.1 a second, until about 19:56 UTC`. */
    add({ outcome }: Pick<BulkOutcome, 'outcome'>, now: Date): string {
      done += 1;
      // What was managed already takes no time, and says nothing of the rest.
      if (outcome !== 'already-managed') worked += 1;
      const seconds = (now.getTime() - startedAt.getTime()) / 1000;
      if (worked === 0 || seconds <= 0 || done === total) return `${done}/${total}`;
      const perSecond = worked / seconds;
      const leftMs = ((total - done) / perSecond) * 1000;
      const end = new Date(now.getTime() + leftMs);
      const about = leftMs < SAME_DAY_MS ? `${end.toISOString().slice(11, 16)} UTC` : onWeekday(end);
      const rate = perSecond >= 1 ? `${perSecond.toFixed(1)} a second` : `${(perSecond * 60).toFixed(1)} a minute`;
      return `${done}/${total}, ${rate}, until about ${about}`;
    },
  };
}
