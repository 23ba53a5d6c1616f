/** Workers that race for positions of one stream. */
import { ok } from 'node:assert/strict';
import type { Log } from '../log.ts';
import { bytesOf, conflict, STREAM } from './stream-texts.ts';

export interface RaceOptions {
  readonly workers: number;
  /** How many commits all workers together append. */
  readonly commits: number;
}

const UNKNOWN = 'CERTBUS_STORE_OUTCOME_UNKNOWN';
/** What a bad network does to a request that writes nothing. */
const PASSING: readonly unknown[] = ['CERTBUS_STORE_UNREACHABLE', 'CERTBUS_STORE_THROTTLED'];
const MOST_TRIES = 10;

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined);

/** Does again what a bad network refused; for what only reads or opens. */
export async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (tries === MOST_TRIES || !PASSING.includes(codeOf(error))) throw error;
    }
  }
}

/** The same log, whose reads a bad network does not end. */
export function withPatientReads(log: Log): Log {
  return {
    append: (stream, after, bytes, options) => log.append(stream, after, bytes, options),
    read: (stream, after, options) => patiently(() => log.read(stream, after, options)),
    close: () => log.close(),
  };
}

/** The head of a stream that is known to reach `after`. */
export async function headOf(log: Log, after: number): Promise<number> {
  for (let head = after; ; ) {
    const { commits, end } = await log.read(STREAM, head, { limit: 7, consistent: true });
    head = commits.at(-1)?.position ?? head;
    if (end) return head;
    ok(commits.length > 0, 'a page that is not the last one holds something');
  }
}

/** Appends at the head, wherever that is by then; `head` is where it was seen last. */
async function place(log: Log, head: number, text: string, mostTries: number): Promise<number> {
  let after = head;
  for (let tries = 0; tries < mostTries; tries += 1) {
    try {
      return await log.append(STREAM, after, bytesOf(text));
    } catch (error) {
      const code = codeOf(error);
      if (code === conflict.code) after = await headOf(log, after);
      // The same bytes at the same position: only so does a worker learn who owns it.
      else if (code !== UNKNOWN && !PASSING.includes(code)) throw error;
    }
  }
  throw new Error(`"${text}" found no place in ${mostTries} tries`);
}

/** Lets workers, spread over the logs, append texts of their own at once, each at the head that it believes in. */
export async function raceAppends(logs: readonly Log[], { workers, commits }: RaceOptions): Promise<void> {
  let next = 0;
  const work = async (log: Log) => {
    let head = 0;
    while (next < commits) {
      next += 1;
      head = await place(log, head, `append ${next}`, 2 * commits + 100);
    }
  };
  await Promise.all(Array.from({ length: workers }, (_, n) => work(logs[n % logs.length] as Log)));
}
