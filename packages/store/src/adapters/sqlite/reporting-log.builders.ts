/** A log that prints what its caller sees, so that the process which started the caller can check the history. */
import type { AppendOutcome, Operation } from '../../conformance/history.ts';
import { StoreError } from '../../errors.ts';
import type { Log } from '../../log.ts';

/** A line of a report: an operation as far as it went. A later line with the same number takes its place. */
interface Line {
  readonly number: number;
  /** `null` for an end that never came, which JSON has no number for. */
  readonly operation: Omit<Operation, 'ended'> & { readonly ended: number | null };
}

/** Microseconds on the machine's clock, which all processes share. */
const now = (): number => Number(process.hrtime.bigint() / 1_000n);

function outcomeOf(error: unknown): AppendOutcome {
  const code = error instanceof StoreError ? error.code : undefined;
  if (code === 'CERTBUS_STORE_VERSION_CONFLICT') return { kind: 'conflict' };
  return { kind: code === 'CERTBUS_STORE_OUTCOME_UNKNOWN' ? 'unknown' : 'refused' };
}

/**
 * The same log, with every append to and read of a stream printed. An append is printed before it is tried as well: a process that is
 * killed in it may have written.
 */
export function reporting(log: Log, stream: string, textOf: (bytes: Uint8Array) => string): Log {
  let operations = 0;
  const report = (number: number, operation: Line['operation']) => {
    // Writing to a pipe waits until it is written: nothing of it is lost with this process.
    process.stdout.write(`${JSON.stringify({ number, operation } satisfies Line)}\n`);
  };
  return {
    ...log,
    async append(name, after, bytes, options) {
      if (name !== stream) return log.append(name, after, bytes, options);
      operations += 1;
      const number = operations;
      const tried = { kind: 'append', text: textOf(bytes), after, began: now() } as const;
      report(number, { ...tried, outcome: { kind: 'unknown' }, ended: null } as Line['operation']);
      const settle = (outcome: AppendOutcome) =>
        report(number, { ...tried, outcome, ended: now() } as Line['operation']);
      try {
        const position = await log.append(name, after, bytes, options);
        settle({ kind: 'acknowledged', position });
        return position;
      } catch (error) {
        settle(outcomeOf(error));
        throw error;
      }
    },
    async read(name, after, options) {
      const began = now();
      const page = await log.read(name, after, options);
      if (name !== stream) return page;
      operations += 1;
      const seen = page.commits.map(({ position, bytes }) => ({ position, text: textOf(bytes) }));
      // A file has no reads that see less than another.
      const operation = { kind: 'read', consistent: true, after, seen, end: page.end, began, ended: now() } as const;
      report(operations, operation as Line['operation']);
      return page;
    },
  };
}

/** The operations of a report; what a killed process left unfinished at its end is left out. */
export function operationsIn(report: string): Operation[] {
  const operations = new Map<number, Operation>();
  for (const text of report.split('\n').slice(0, -1)) {
    const { number, operation }: Line = JSON.parse(text);
    operations.set(number, { ...operation, ended: operation.ended ?? Number.POSITIVE_INFINITY } as Operation);
  }
  return [...operations.values()];
}
