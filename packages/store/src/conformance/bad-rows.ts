/** The conformance suite on stores that hold what no append wrote. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import type { Log, LogMaintenance } from '../log.ts';
import type { Check, LogUnderTest } from './options.ts';
import { bytesOf, fill, readAll, STREAM, textOf } from './stream-texts.ts';

const COUNT = 5;
const PLACES = { 'the beginning': 1, 'the middle': 3, 'the end': COUNT, 'behind the head': COUNT + 2 };
/** How a read may say that something is not a commit; a position without anything can be one that was trimmed. */
const READ_CODES = ['CERTBUS_STORE_DAMAGED', 'CERTBUS_STORE_TRIMMED'];
const APPEND_CODES = ['CERTBUS_STORE_DAMAGED', 'CERTBUS_STORE_VERSION_CONFLICT'];

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : `${error}`;

/** What can be read up to the end, or up to what is refused. */
async function readGood(log: Log, limit: number): Promise<{ texts: string[]; code?: string }> {
  const texts: string[] = [];
  for (let after = 0; ; ) {
    try {
      const { commits, end } = await log.read(STREAM, after, { limit, consistent: true });
      texts.push(...commits.map(({ bytes }) => textOf(bytes)));
      if (end) return { texts };
      ok(commits.length > 0, 'a page that is not the last one holds something');
      after = commits.at(-1)?.position ?? after;
    } catch (error) {
      return { texts, code: codeOf(error) };
    }
  }
}

/** Everything at a position, by position, whatever it holds. */
async function placed(maintenance: LogMaintenance): Promise<Map<number, Uint8Array | undefined>> {
  const found = new Map<number, Uint8Array | undefined>();
  for await (const entries of maintenance.inspect(STREAM, 0))
    for (const entry of entries) if ('position' in entry) found.set(entry.position, entry.bytes);
  return found;
}

/** Removes what is not a commit, and puts the texts back that it took the place of. */
async function clean(maintenance: LogMaintenance, texts: readonly string[]): Promise<void> {
  for await (const entries of maintenance.inspect(STREAM, 0))
    for (const entry of entries) if ('stray' in entry) await maintenance.removeStray?.(STREAM, entry.stray);
  const there = await placed(maintenance);
  for (const [index, text] of texts.entries()) {
    const found = there.get(index + 1);
    if (!found || textOf(found) !== text) await maintenance.replace(STREAM, index + 1, { found, bytes: bytesOf(text) });
    there.delete(index + 1);
  }
  for (const [position, found] of there) await maintenance.replace(STREAM, position, { found, bytes: undefined });
}

/** Reads to the end, page by page of several sizes; what it gives is what was appended, up to what is refused. */
async function checkReads(log: Log, texts: readonly string[]): Promise<void> {
  for (const limit of [1, 2, 150]) {
    const { texts: good, code } = await readGood(log, limit);
    deepEqual(good, texts.slice(0, good.length), 'what is read are commits');
    if (code === undefined) equal(good.length, texts.length, 'no commit is hidden');
    else ok(READ_CODES.includes(code), `a read rejects with a code of its own, not ${code}`);
  }
}

/** What holds with one bad row in the stream, for the log that was open and for one that is opened later. */
async function checkBadRow({ log, reopen, putBadRow }: LogUnderTest, kind: string, position: number): Promise<void> {
  const texts = await fill(log, STREAM, COUNT);
  await putBadRow?.(kind, STREAM, position);
  const other = (await reopen?.()) ?? log;
  for (const reader of [log, other]) await checkReads(reader, texts);
  for (const writer of [log, other]) {
    const code = await writer.append(STREAM, COUNT, bytesOf('commit 6')).then(() => undefined, codeOf);
    ok(code === undefined || APPEND_CODES.includes(code), `an append rejects with a code of its own, not ${code}`);
    if (code === undefined) texts[COUNT] = 'commit 6';
  }
  await checkReads(other, texts);
  if (other.maintenance) {
    await clean(other.maintenance, texts);
    deepEqual(await readAll(log), texts, 'an operator can remove it');
    equal(await log.append(STREAM, texts.length, bytesOf('next')), texts.length + 1);
  }
  if (other !== log) await other.close();
}

/** Anyone who can write to a store, and has no key, can put anything into it. */
export function checkBadRows(check: Check, kinds: readonly string[]): void {
  for (const kind of kinds)
    for (const [place, position] of Object.entries(PLACES))
      check(`${kind} at ${place} is never taken for a commit, and can be removed`, (subject) =>
        checkBadRow(subject, kind, position),
      );
}
