import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openSqliteLog } from '@certbus/store/sqlite';
import { temporaryFolder } from 'certbus-services';
import type { Benchmark } from './figure.ts';
import { rawRate } from './raw-file.ts';
import { interleave, perSecond, ratioOf } from './slices.ts';

const COMMIT_BYTES = 5_000;
const WRITERS = 4;
/** Of each writer, in a slice. */
const APPENDS = 250;
const PROGRAM = fileURLToPath(new URL('./append-process.ts', import.meta.url));

interface Writer {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
}

async function startWriter(path: string): Promise<Writer> {
  const child = fork(PROGRAM, [path, String(COMMIT_BYTES)], { execArgv: ['--conditions=certbus:source'] });
  const ended = once(child, 'exit');
  await Promise.race([once(child, 'message'), endedEarly(ended)]);
  return { child, ended };
}

async function endedEarly(ended: Promise<unknown>): Promise<never> {
  await ended;
  throw new Error('a writer ended before it was done');
}

async function appendMany({ child, ended }: Writer): Promise<readonly number[]> {
  const answer = once(child, 'message');
  child.send(APPENDS);
  const [positions] = (await Promise.race([answer, endedEarly(ended)])) as [readonly number[]];
  return positions;
}

/** Throws unless the log holds exactly what was acknowledged: every position once, and none that nobody wrote. */
async function checkWhole(path: string, acknowledged: readonly number[]): Promise<void> {
  const log = await openSqliteLog(path);
  let position = 0;
  for (let isEnd = false; !isEnd; ) {
    const { commits, end } = await log.read('s', position, { limit: 1_000 });
    for (const commit of commits) {
      if (commit.position !== position + 1) throw new Error(`the log has a gap behind position ${position}`);
      position = commit.position;
    }
    isEnd = end;
  }
  await log.close();
  const sorted = acknowledged.toSorted((a, b) => a - b);
  if (sorted.length !== position || sorted.some((value, index) => value !== index + 1))
    throw new Error(`${sorted.length} commits were acknowledged, ${position} are in the log`);
}

/** Appends a second of all writers together, to a new bus that they have already worked on for a while. */
async function measureOurs(): Promise<number> {
  const folder = temporaryFolder();
  const path = join(folder.path, 'bus.db');
  await (await openSqliteLog(path, { create: true })).close();
  const writers = await Promise.all(Array.from({ length: WRITERS }, () => startWriter(path)));
  try {
    const acknowledged: number[] = [];
    const work = async () => {
      acknowledged.push(...(await Promise.all(writers.map(appendMany))).flat());
    };
    await work();
    const rate = await perSecond(WRITERS * APPENDS, work);
    await checkWhole(path, acknowledged);
    return rate;
  } finally {
    for (const { child } of writers) if (child.connected) child.disconnect();
    await Promise.all(writers.map(({ ended }) => ended));
    folder.remove();
  }
}

const measureRaw = () => rawRate({ appends: WRITERS * APPENDS, bytes: COMMIT_BYTES });

/** `store.append.sqlite.4`: four processes append to one file, all of them in each other's way, against the disk itself. */
export const storeAppendSqlite4: Benchmark = async ({ quick }) => {
  const rates = await interleave(quick ? 3 : 31, { ours: measureOurs, peer: measureRaw, again: measureRaw });
  return [ratioOf('store.append.sqlite.4', { against: 'write + fdatasync on a plain file, one process', ...rates })];
};
