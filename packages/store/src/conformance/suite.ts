/** The conformance suite: its entry, and the tests of append, read, abort and close. */
import { deepEqual, equal, rejects } from 'node:assert/strict';
import { MAX_COMMIT_BYTES } from '../log.ts';
import { checkBadRows } from './bad-rows.ts';
import { checkConcurrency, checkFaults } from './concurrency.ts';
import { checkMaintenance } from './maintenance.ts';
import type { Check, ConformanceOptions, LogUnderTest } from './options.ts';
import { checkPageSize } from './page-size.ts';
import { bytesOf, conflict, fill, readAll } from './stream-texts.ts';

/** Declares tests that `create` a log each and dispose of it. */
function checkOn({ test }: ConformanceOptions, create: () => Promise<LogUnderTest>): Check {
  return (name, body) =>
    test(name, async () => {
      const subject = await create();
      try {
        await body(subject);
      } finally {
        await subject.dispose();
      }
    });
}

function checkAppend(check: Check): void {
  check('gives positions 1, 2, 3 and what it acknowledged is read back at once', async ({ log }) => {
    for (const [after, text] of ['a', 'b', 'c'].entries()) {
      equal(await log.append('s', after, bytesOf(text)), after + 1);
      deepEqual((await readAll(log, 's')).at(-1), text);
    }
  });

  check('rejects a position that is taken, and says what is there', async ({ log }) => {
    await fill(log, 's', 3);
    for (const after of [0, 1, 2]) {
      const found = bytesOf(`commit ${after + 1}`);
      await rejects(
        log.append('s', after, bytesOf('other')),
        (error: Error & { found?: Uint8Array; position?: number }) => {
          equal('code' in error && error.code, conflict.code);
          equal(error.position, after + 1);
          return Buffer.compare(error.found ?? Buffer.alloc(0), found) === 0;
        },
      );
    }
    equal((await readAll(log, 's')).length, 3);
  });

  check('rejects a position beyond the head', async ({ log }) => {
    await rejects(log.append('s', 1, bytesOf('x')), conflict);
    await fill(log, 's', 2);
    await rejects(log.append('s', 3, bytesOf('x')), conflict);
    await rejects(log.append('s', 100, bytesOf('x')), conflict);
    deepEqual((await readAll(log, 's')).length, 2);
  });

  check('takes the same bytes at the same position again, without writing them twice', async ({ log }) => {
    await fill(log, 's', 2);
    equal(await log.append('s', 1, bytesOf('commit 2')), 2);
    equal(await log.append('s', 0, bytesOf('commit 1')), 1);
    deepEqual(await readAll(log, 's'), ['commit 1', 'commit 2']);
  });

  check('keeps streams apart', async ({ log }) => {
    await fill(log, 'one', 2);
    await fill(log, 'two', 1);
    deepEqual(await readAll(log, 'one'), ['commit 1', 'commit 2']);
    deepEqual(await readAll(log, 'two'), ['commit 1']);
    deepEqual(await readAll(log, 'three'), []);
  });

  check('keeps every byte from 0 to 255, and its own copy of them', async ({ log }) => {
    const bytes = Uint8Array.from({ length: 256 }, (_, n) => n);
    await log.append('s', 0, bytes);
    bytes.fill(0);
    for (const _reader of ['the first', 'the second']) {
      const { commits } = await log.read('s', 0, { consistent: true });
      deepEqual(
        [...(commits[0]?.bytes ?? [])],
        Array.from({ length: 256 }, (_, n) => n),
      );
      commits[0]?.bytes.fill(0);
    }
  });

  check('takes a commit of the largest size and refuses one byte more', async ({ log }) => {
    equal(await log.append('s', 0, new Uint8Array(MAX_COMMIT_BYTES).fill(65)), 1);
    await rejects(log.append('s', 1, new Uint8Array(MAX_COMMIT_BYTES + 1)), { code: 'CERTBUS_STORE_TOO_LARGE' });
  });

  check('rejects an `after` that is missing or not a position', async ({ log }) => {
    // Missing, as a caller without types may leave it.
    for (const after of [undefined as unknown as number, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      await rejects(log.append('s', after, bytesOf('x')), TypeError);
      await rejects(log.read('s', after), TypeError);
    }
    deepEqual(await readAll(log, 's'), []);
  });
}

function checkRead(check: Check): void {
  check('gives pages of any size, in order, that make up the whole', async ({ log }) => {
    const texts = await fill(log, 's', 23);
    for (const limit of [1, 2, 7, 22, 23, 24, 1000]) deepEqual(await readAll(log, 's', limit), texts);
  });

  check('gives what comes behind a position, and nothing behind the last', async ({ log }) => {
    await fill(log, 's', 5);
    const { commits } = await log.read('s', 3, { consistent: true });
    deepEqual(
      commits.map(({ position }) => position),
      [4, 5],
    );
    deepEqual(await log.read('s', 5, { consistent: true }), { commits: [], end: true });
    deepEqual(await log.read('s', 99, { consistent: true }), { commits: [], end: true });
  });

  check('stays within the limit', async ({ log }) => {
    await fill(log, 's', 5);
    const { commits, end } = await log.read('s', 0, { limit: 2, consistent: true });
    deepEqual([commits.length, end], [2, false]);
  });

  check('rejects a limit that no page can have', async ({ log }) => {
    await fill(log, 's', 1);
    for (const limit of [0, -1, 1.5, Number.NaN]) await rejects(log.read('s', 0, { limit }), TypeError);
  });

  check('goes through commits of many megabytes', async ({ log }) => {
    for (let after = 0; after < 8; after += 1) await log.append('s', after, new Uint8Array(290_000).fill(65 + after));
    deepEqual(
      (await readAll(log, 's')).map((text) => `${text[0]}${text.length}`),
      [...'ABCDEFGH'].map((letter) => `${letter}290000`),
    );
  });
}

function checkAbortAndClose(check: Check): void {
  check('an aborted signal rejects each operation with its reason, and nothing is written', async ({ log }) => {
    const reason = new Error('stop');
    const signal = AbortSignal.abort(reason);
    await rejects(log.append('s', 0, bytesOf('x'), { signal }), reason);
    await rejects(log.read('s', 0, { signal }), reason);
    deepEqual(await readAll(log, 's'), []);
  });

  check('a closed log refuses, and closing twice does nothing', async ({ log }) => {
    await fill(log, 's', 1);
    await log.close();
    await log.close();
    await rejects(log.append('s', 1, bytesOf('x')), { code: 'CERTBUS_STORE_CLOSED' });
    await rejects(log.read('s', 0), { code: 'CERTBUS_STORE_CLOSED' });
  });

  check('what was acknowledged is there for everyone who opens the log later', async ({ log, reopen }) => {
    if (!reopen) return;
    const texts = await fill(log, 's', 3);
    await log.close();
    const again = await reopen();
    deepEqual(await readAll(again, 's'), texts);
    equal(await again.append('s', 3, bytesOf('commit 4')), 4);
    await again.close();
  });
}

function checkWait(check: Check): void {
  check('the wait for a write ends by one, and by its signal', async ({ log, reopen }) => {
    if (!reopen || !log.version || !log.whenWritten) return;
    const other = await reopen();
    try {
      await log.read('s', 0);
      const wait = { withinMs: 3_600_000, signal: new AbortController().signal };
      const written = log.whenWritten(log.version(), wait);
      const before = log.version();
      await other.append('s', 0, bytesOf('x'));
      await written;
      // What was written before the wait began ends it at once.
      await log.whenWritten(before, wait);
      const reason = new Error('stop');
      const signal = AbortSignal.abort(reason);
      await rejects(log.whenWritten(log.version(), { ...wait, signal }), reason);
    } finally {
      await other.close();
    }
  });
}

/**
 * The suite that every adapter passes: order, paging, conflicts, repeated bytes, limits, aborts, closing, and what several
 * see who use the log at once, judged by `checkHistory`.
 *
 * Give it the runner's functions and a factory; it brings its own assertions, and needs `node:assert` and timers only. For the
 * author of an adapter:
 *
 * - `create` gives each test an empty log, and `dispose` takes it away: a new file, a new table, a new prefix. Tests may run at once.
 * - Give `reopen` wherever two processes can have the log open. It makes a second connection, not a second name of the first.
 * - Give `faults` wherever there is a network: a log behind a proxy that drops requests and replies, answers with an error after
 *   the write, and throttles. No other test shows whether a lost reply makes a second commit.
 * - Give `badRows` and `putBadRow` wherever somebody can write to the store past the log: almost everywhere.
 * - Give tests a minute where a service is asked: some append more than a hundred times.
 */
export function conformance(options: ConformanceOptions): void {
  const { describe, create, faults, badRows } = options;
  const check = checkOn(options, create);
  describe('append', () => checkAppend(check));
  describe('read', () => checkRead(check));
  describe('the size of pages', () => checkPageSize(check));
  describe('abort and close', () => checkAbortAndClose(check));
  describe('the wait for a write', () => checkWait(check));
  describe('several at once', () => checkConcurrency(check));
  describe('maintenance', () => checkMaintenance(check));
  if (badRows) describe('what no append wrote', () => checkBadRows(check, badRows));
  if (faults) describe('a bad network', () => checkFaults(checkOn(options, faults)));
}
