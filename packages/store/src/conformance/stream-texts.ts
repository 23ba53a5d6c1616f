/** Streams of texts, for the tests of the suite. */
import { equal, ok } from 'node:assert/strict';
import type { Log } from '../log.ts';

/** The stream that the suite uses where one is enough. */
export const STREAM = 's';
/** What a conflict rejects with. */
export const conflict = { code: 'CERTBUS_STORE_VERSION_CONFLICT' };

export const bytesOf = (text: string): Uint8Array => Buffer.from(text);
export const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

/** Reads a stream to its end, page by page. */
export async function readAll(log: Log, stream: string = STREAM, limit = 150): Promise<string[]> {
  const all: string[] = [];
  for (let after = 0; ; ) {
    const { commits, end } = await log.read(stream, after, { limit, consistent: true });
    for (const { position, bytes } of commits) {
      equal(position, after + 1, 'positions are contiguous');
      all.push(textOf(bytes));
      after = position;
    }
    if (end) return all;
    ok(commits.length > 0, 'a page that is not the last one holds something');
  }
}

/** Appends `commit 1`, `commit 2` … to an empty stream. */
export async function fill(log: Log, stream: string, count: number): Promise<string[]> {
  const texts = Array.from({ length: count }, (_, n) => `commit ${n + 1}`);
  for (const [after, text] of texts.entries()) equal(await log.append(stream, after, bytesOf(text)), after + 1);
  return texts;
}
