import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { type Log, MAX_COMMIT_BYTES } from '../log.ts';

/** A log under test. */
export interface LogUnderTest {
  readonly log: Log;
  /** Opens the same log again, as another process would; absent where a log lives in one process only. */
  readonly reopen?: () => Promise<Log>;
  dispose(): Promise<void>;
}

export interface ConformanceOptions {
  /** The runner's functions: vitest's, node:test's or the like. */
  readonly describe: (name: string, body: () => void) => void;
  readonly test: (name: string, body: () => Promise<void>) => void;
  /** Makes an empty log for one test. */
  readonly create: () => Promise<LogUnderTest>;
}

const bytesOf = (text: string): Uint8Array => Buffer.from(text);
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const conflict = { code: 'CERTBUS_STORE_VERSION_CONFLICT' };

/** Reads a stream to its end, page by page. */
async function readAll(log: Log, stream: string, limit = 150): Promise<string[]> {
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

async function fill(log: Log, stream: string, count: number): Promise<string[]> {
  const texts = Array.from({ length: count }, (_, n) => `commit ${n + 1}`);
  for (const [after, text] of texts.entries()) equal(await log.append(stream, after, bytesOf(text)), after + 1);
  return texts;
}

/**
 * The suite that every adapter passes: order, paging, conflicts, racing appends, repeated bytes, limits, aborts, closing.
 * Give it the runner's functions and a factory; it brings its own assertions.
 */
export function conformance({ describe, test, create }: ConformanceOptions): void {
  const check = (name: string, body: (subject: LogUnderTest) => Promise<void>) =>
    test(name, async () => {
      const subject = await create();
      try {
        await body(subject);
      } finally {
        await subject.dispose();
      }
    });

  describe('append', () => {
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

    check('lets exactly one of ten racing appends win each position', async ({ log, reopen }) => {
      const others = reopen ? await Promise.all([reopen(), reopen()]) : [];
      const writers = [log, ...others];
      for (let after = 0; after < 5; after += 1) {
        const races = Array.from({ length: 10 }, (_, n) =>
          (writers[n % writers.length] as Log).append('s', after, bytesOf(`${after}:${n}`)).then(
            () => `${after}:${n}`,
            (error: { code?: string }) => {
              equal(error.code, conflict.code);
              return undefined;
            },
          ),
        );
        const winners = (await Promise.all(races)).filter((winner) => winner !== undefined);
        equal(winners.length, 1);
        equal((await readAll(log, 's'))[after], winners[0]);
      }
      for (const other of others) await other.close();
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
      const { commits } = await log.read('s', 0, { consistent: true });
      deepEqual(
        [...(commits[0]?.bytes ?? [])],
        Array.from({ length: 256 }, (_, n) => n),
      );
    });

    check('takes a commit of the largest size and refuses one byte more', async ({ log }) => {
      equal(await log.append('s', 0, new Uint8Array(MAX_COMMIT_BYTES).fill(65)), 1);
      await rejects(log.append('s', 1, new Uint8Array(MAX_COMMIT_BYTES + 1)), { code: 'CERTBUS_STORE_TOO_LARGE' });
    });

    check('rejects an `after` that is missing or no position', async ({ log }) => {
      // Missing, as a caller without types may leave it.
      for (const after of [undefined as unknown as number, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        await rejects(log.append('s', after, bytesOf('x')), TypeError);
        await rejects(log.read('s', after), TypeError);
      }
      deepEqual(await readAll(log, 's'), []);
    });
  });

  describe('read', () => {
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
  });

  describe('abort and close', () => {
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

    check('what was acknowledged is there for whoever opens the log later', async ({ log, reopen }) => {
      if (!reopen) return;
      const texts = await fill(log, 's', 3);
      await log.close();
      const again = await reopen();
      deepEqual(await readAll(again, 's'), texts);
      equal(await again.append('s', 3, bytesOf('commit 4')), 4);
      await again.close();
    });
  });
}
