/** The conformance suite on maintenance: trim, replace, inspect. */
import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { type Log, type LogMaintenance, MAX_COMMIT_BYTES } from '../log.ts';
import type { Check, LogUnderTest } from './options.ts';
import { bytesOf, conflict, fill, STREAM, textOf } from './stream-texts.ts';

/** Runs `body` with the log's maintenance, on the log itself and on a connection of another process where there is one. */
async function maintained(
  { log, reopen }: LogUnderTest,
  body: (maintenance: LogMaintenance, log: Log, other: Log) => Promise<void>,
): Promise<void> {
  if (!log.maintenance) return;
  const other = await reopen?.();
  await body(log.maintenance, log, other ?? log);
  await other?.close();
}

async function textsBehind(log: Log, after: number): Promise<string[]> {
  const { commits } = await log.read(STREAM, after, { consistent: true });
  return commits.map(({ bytes }) => textOf(bytes));
}

/** What holds for what is trimmed. */
function checkTrim(check: Check): void {
  check('removes what is before a position, reports it to every reader, and goes on', (subject) =>
    maintained(subject, async (maintenance, log, other) => {
      const texts = await fill(log, STREAM, 10);
      await maintenance.trim(STREAM, 6);
      for (const reader of [log, other]) {
        for (const after of [0, 1, 4])
          await rejects(reader.read(STREAM, after, { consistent: true }), { code: 'CERTBUS_STORE_TRIMMED', first: 6 });
        deepEqual(await textsBehind(reader, 5), texts.slice(5));
      }
      equal(await other.append(STREAM, 10, bytesOf('commit 11')), 11);
    }),
  );

  check('permanently refuses an append where something was trimmed', (subject) =>
    maintained(subject, async (maintenance, log, other) => {
      await fill(log, STREAM, 5);
      await maintenance.trim(STREAM, 5);
      for (const writer of [log, other]) {
        for (const after of [0, 1, 3]) {
          await rejects(writer.append(STREAM, after, bytesOf('other')), conflict);
          await rejects(writer.append(STREAM, after, bytesOf(`commit ${after + 1}`)), conflict);
        }
      }
      deepEqual(await textsBehind(other, 4), ['commit 5']);
    }),
  );

  check('trims as often as asked, never back and never beyond the head', (subject) =>
    maintained(subject, async (maintenance, log) => {
      await fill(log, STREAM, 5);
      await maintenance.trim(STREAM, 4);
      await maintenance.trim(STREAM, 4);
      await maintenance.trim(STREAM, 2);
      await rejects(maintenance.trim(STREAM, 6), conflict);
      await rejects(log.read(STREAM, 2), { code: 'CERTBUS_STORE_TRIMMED', first: 4 });
      deepEqual(await textsBehind(log, 3), ['commit 4', 'commit 5']);
    }),
  );
}

/** What holds for what is replaced. */
function checkReplace(check: Check): void {
  check('replaces exactly what was found, and nothing else', (subject) =>
    maintained(subject, async (maintenance, log, other) => {
      await fill(log, STREAM, 3);
      const mended = { found: bytesOf('commit 2'), bytes: bytesOf('mended') };
      await maintenance.replace(STREAM, 2, mended);
      await maintenance.replace(STREAM, 2, mended);
      await rejects(maintenance.replace(STREAM, 2, { ...mended, bytes: bytesOf('again') }), conflict);
      await rejects(maintenance.replace(STREAM, 3, { found: undefined, bytes: bytesOf('again') }), conflict);
      deepEqual(await textsBehind(other, 0), ['commit 1', 'mended', 'commit 3']);
    }),
  );

  check('refuses to replace at what is not a position, or with too many bytes', (subject) =>
    maintained(subject, async (maintenance) => {
      const change = { found: undefined, bytes: bytesOf('x') };
      for (const position of [0, -1, 0.5, Number.NaN])
        await rejects(maintenance.replace(STREAM, position, change), TypeError);
      const bytes = new Uint8Array(MAX_COMMIT_BYTES + 1);
      await rejects(maintenance.replace(STREAM, 1, { ...change, bytes }), { code: 'CERTBUS_STORE_TOO_LARGE' });
    }),
  );

  check('takes no append behind a commit that was taken away', (subject) =>
    maintained(subject, async (maintenance, log) => {
      await fill(log, STREAM, 3);
      await maintenance.replace(STREAM, 3, { found: bytesOf('commit 3'), bytes: undefined });
      await rejects(log.append(STREAM, 3, bytesOf('behind a hole')), conflict);
      deepEqual(await textsBehind(log, 0), ['commit 1', 'commit 2']);
    }),
  );

  check('takes the last commit away, and takes an append in its place', (subject) =>
    maintained(subject, async (maintenance, log) => {
      await fill(log, STREAM, 3);
      await maintenance.replace(STREAM, 3, { found: bytesOf('commit 3'), bytes: undefined });
      deepEqual(await textsBehind(log, 0), ['commit 1', 'commit 2']);
      ok((await log.append(STREAM, 2, bytesOf('another'))) === 3);
      deepEqual(await textsBehind(log, 2), ['another']);
    }),
  );
}

/** What an operator sees, and can put right. */
function checkInspect(check: Check): void {
  check('shows an operator everything that is there, around what was taken away', (subject) =>
    maintained(subject, async (maintenance, log, other) => {
      await fill(log, STREAM, 400);
      await maintenance.trim(STREAM, 3);
      await maintenance.replace(STREAM, 200, { found: bytesOf('commit 200'), bytes: undefined });
      equal(await other.maintenance?.first(STREAM), 3);
      const seen: string[] = [];
      for await (const entries of other.maintenance?.inspect(STREAM, 1) ?? [])
        for (const entry of entries) if ('position' in entry && entry.bytes) seen.push(textOf(entry.bytes));
      const kept = Array.from({ length: 398 }, (_, n) => n + 3).filter((position) => position !== 200);
      deepEqual(
        seen,
        kept.map((position) => `commit ${position}`),
      );
    }),
  );

  check('reports again where a stream begins once that is corrected, and trims it from there', (subject) =>
    maintained(subject, async (maintenance, log, other) => {
      const texts = await fill(log, STREAM, 60);
      equal(await maintenance.correctFirst(STREAM, 1), false);
      await maintenance.trim(STREAM, 51);
      equal(await maintenance.correctFirst(STREAM, 51), false);
      equal(await maintenance.correctFirst(STREAM, 3, { dryRun: true }), true);
      equal(await other.maintenance?.first(STREAM), 51);
      for (let position = 50; position > 2; position -= 1)
        await maintenance.replace(STREAM, position, { found: undefined, bytes: bytesOf(`commit ${position}`) });
      equal(await maintenance.correctFirst(STREAM, 3), true);
      equal(await maintenance.correctFirst(STREAM, 3), false);
      for (const reader of [log, other]) {
        await rejects(reader.read(STREAM, 1, { consistent: true }), { code: 'CERTBUS_STORE_TRIMMED', first: 3 });
        deepEqual(await textsBehind(reader, 2), texts.slice(2));
      }
      await maintenance.trim(STREAM, 41);
      for (const after of [1, 2, 30, 39])
        await rejects(other.read(STREAM, after, { consistent: true }), { code: 'CERTBUS_STORE_TRIMMED', first: 41 });
      deepEqual(await textsBehind(other, 40), texts.slice(40));
    }),
  );

  check('leaves other streams alone', (subject) =>
    maintained(subject, async (maintenance, log) => {
      await fill(log, STREAM, 3);
      await log.append('other', 0, bytesOf('kept'));
      await maintenance.trim(STREAM, 3);
      await maintenance.replace(STREAM, 3, { found: bytesOf('commit 3'), bytes: bytesOf('mended') });
      const { commits } = await log.read('other', 0, { consistent: true });
      deepEqual(
        commits.map(({ bytes }) => textOf(bytes)),
        ['kept'],
      );
    }),
  );
}

/** What holds for a log that an operator can trim and repair; nothing where the adapter has no maintenance. */
export function checkMaintenance(check: Check): void {
  checkTrim(check);
  checkReplace(check);
  checkInspect(check);
}
