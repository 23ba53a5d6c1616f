/** Records what callers of a log see. */
import type { Log } from '../log.ts';
import type { AppendOutcome, Operation } from './history.ts';

/** Writes down what callers of a log see, for {@link checkHistory}. */
export interface Recorder {
  /** Every append that began, settled or not, and every read that returned. */
  readonly operations: readonly Operation[];
  /** The same log, with every append to and read of the recorder's stream written down; without `version` and `maintenance`. */
  watch(log: Log): Log;
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

function outcomeOf(error: unknown): AppendOutcome {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'CERTBUS_STORE_VERSION_CONFLICT') return { kind: 'conflict' };
  return { kind: code === 'CERTBUS_STORE_OUTCOME_UNKNOWN' ? 'unknown' : 'refused' };
}

/** Makes the recorder of one stream; all logs that it watches share its clock, which counts beginnings and ends. */
export function createRecorder(stream: string): Recorder {
  const operations: Operation[] = [];
  let clock = 0;
  const tick = () => {
    clock += 1;
    return clock;
  };
  return {
    operations,
    watch: (log) => ({
      async append(name, after, bytes, options) {
        if (name !== stream) return log.append(name, after, bytes, options);
        const tried = { kind: 'append', text: textOf(bytes), after, began: tick() } as const;
        // Written down before it settles: one that never does may have written all the same.
        const index = operations.push({ ...tried, outcome: { kind: 'unknown' }, ended: Number.POSITIVE_INFINITY }) - 1;
        const record = (outcome: AppendOutcome) => {
          operations[index] = { ...tried, outcome, ended: tick() };
        };
        try {
          const position = await log.append(name, after, bytes, options);
          record({ kind: 'acknowledged', position });
          return position;
        } catch (error) {
          record(outcomeOf(error));
          throw error;
        }
      },
      async read(name, after, options) {
        const began = tick();
        const page = await log.read(name, after, options);
        if (name === stream) {
          const seen = page.commits.map(({ position, bytes }) => ({ position, text: textOf(bytes) }));
          const { consistent = false } = options ?? {};
          operations.push({ kind: 'read', consistent, after, seen, end: page.end, began, ended: tick() });
        }
        return page;
      },
      close: () => log.close(),
    }),
  };
}
