/** The conformance suite on several users of one log at once, and on bad networks. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import type { Log } from '../log.ts';
import { checkHistory } from './history.ts';
import type { Check, LogUnderTest } from './options.ts';
import { headOf, patiently, raceAppends, withPatientReads } from './race.ts';
import { createRecorder, type Recorder } from './recorder.ts';
import { bytesOf, conflict, readAll, STREAM, textOf } from './stream-texts.ts';

const turn = (ms = 0): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs `body` on up to three opened logs, all recorded, and judges what they saw. */
async function judged(
  { log, reopen }: LogUnderTest,
  body: (logs: readonly [Log, ...Log[]], recorder: Recorder) => Promise<void>,
): Promise<void> {
  const others = reopen ? [await patiently(reopen), await patiently(reopen)] : [];
  const recorder = createRecorder(STREAM);
  const watch = (opened: Log) => recorder.watch(withPatientReads(opened));
  try {
    await body([watch(log), ...others.map(watch)], recorder);
    deepEqual(checkHistory(recorder.operations, await readAll(withPatientReads(log))), []);
  } finally {
    for (const other of others) await other.close();
  }
}

/** Reads here and there, consistently or not, until `isDone`. */
async function readAbout(log: Log, isDone: () => boolean): Promise<void> {
  for (let n = 0; !isDone(); n += 1) {
    await log.read(STREAM, (n * 7) % 50, { limit: 1 + (n % 20), consistent: n % 3 > 0 });
    await turn();
  }
}

/** Reads on from page to page until `isDone` and nothing is left. */
async function readAlong(log: Log, isDone: () => boolean): Promise<string[]> {
  const texts: string[] = [];
  for (;;) {
    const wasDone = isDone();
    const { commits, end } = await log.read(STREAM, texts.length, { limit: 7, consistent: true });
    for (const { position, bytes } of commits) {
      equal(position, texts.length + 1, 'a reader gets each position once, in order');
      texts.push(textOf(bytes));
    }
    if (end && wasDone) return texts;
    ok(end || commits.length > 0, 'a page that is not the last one holds something');
    if (end) await turn();
  }
}

/** Does `work` while `others` go on, and ends them. */
async function during(work: () => Promise<void>, others: (isDone: () => boolean) => Promise<unknown>[]): Promise<void> {
  let done = false;
  const finish = () => {
    done = true;
  };
  await Promise.all([work().finally(finish), ...others(() => done).map((other) => other.finally(finish))]);
}

/** Aborts appends at several moments. Half are repeated; in place of the others another commit is tried. */
async function abortMidway(log: Log, rounds: number): Promise<void> {
  let head = 0;
  for (let round = 0; round < rounds; round += 1) {
    const controller = new AbortController();
    const { signal } = controller;
    const text = `aborted ${round}`;
    const appended = log.append(STREAM, head, bytesOf(text), { signal }).then(
      () => true,
      () => false,
    );
    if (round % 4 > 0) await turn((round % 4) - 1);
    controller.abort(new Error('stop'));
    const isWritten = await appended;
    const next = round % 2 > 0 || isWritten ? text : `instead of ${round}`;
    await patiently(() => log.append(STREAM, head, bytesOf(next))).catch((error: { code?: string }) => {
      equal(error.code, conflict.code);
    });
    head = await headOf(log, head);
  }
}

/** What holds when several use a log at once. */
export function checkConcurrency(check: Check): void {
  check('lets exactly one of ten racing appends win each position', (subject) =>
    judged(subject, async (logs) => {
      for (let after = 0; after < 5; after += 1) {
        const races = Array.from({ length: 10 }, (_, n) =>
          (logs[n % logs.length] as Log).append(STREAM, after, bytesOf(`${after}:${n}`)).then(
            () => `${after}:${n}`,
            (error: { code?: string }) => {
              equal(error.code, conflict.code);
              return undefined;
            },
          ),
        );
        const winners = (await Promise.all(races)).filter((winner) => winner !== undefined);
        equal(winners.length, 1);
        equal((await readAll(logs[0]))[after], winners[0]);
      }
    }),
  );

  check('gives ten racing workers and their readers one history', (subject) =>
    judged(subject, async (logs) => {
      await during(
        () => raceAppends(logs, { workers: 10, commits: 60 }),
        (isDone) => logs.map((log) => readAbout(log, isDone)),
      );
      equal((await readAll(logs[0])).length, 60);
    }),
  );

  check('shows readers of many pages each commit once, in order, while a writer appends', (subject) =>
    judged(subject, async (logs) => {
      const seen: string[][] = [];
      const follow = async (log: Log, isDone: () => boolean) => void seen.push(await readAlong(log, isDone));
      await during(
        () => raceAppends(logs.slice(0, 1), { workers: 1, commits: 120 }),
        (isDone) => logs.map((log) => follow(log, isDone)),
      );
      const all = await readAll(logs[0]);
      equal(all.length, 120);
      deepEqual(seen, Array(logs.length).fill(all));
    }),
  );

  check('tells the truth of an append that is aborted midway', (subject) =>
    judged(subject, ([log]) => abortMidway(log, 24)),
  );
}

/** What holds where requests and replies get lost. */
export function checkFaults(check: Check): void {
  check('writes what eight workers append once each, at the position that it says', (subject) =>
    judged(subject, async (logs) => {
      await raceAppends(logs, { workers: 8, commits: 100 });
      const all = await readAll(logs[0]);
      equal(all.length, 100);
      equal(new Set(all).size, 100, 'nothing is written twice');
    }),
  );

  check('tells the truth of an append that is aborted while its outcome is unknown', (subject) =>
    judged(subject, ([log]) => abortMidway(log, 40)),
  );
}
