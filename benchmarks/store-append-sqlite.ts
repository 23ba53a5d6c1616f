import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { openSqliteLog } from '@certbus/store/sqlite';
import { temporaryFolder } from 'certbus-services';
import { EMMETT_VERSION, openEmmettStore } from './emmett.ts';
import type { Benchmark } from './figure.ts';
import { rawRate } from './raw-file.ts';
import { interleave, perSecond, ratioOf } from './slices.ts';

const COMMIT_BYTES = 5_000;
const APPENDS = 500;

interface Store {
  append(): Promise<void>;
  close(): Promise<void>;
}

async function openOurs(path: string): Promise<Store> {
  const log = await openSqliteLog(path, { create: true });
  let head = 0;
  return {
    async append() {
      head = await log.append('s', head, randomBytes(COMMIT_BYTES));
    },
    close: () => log.close(),
  };
}

async function openEmmett(path: string): Promise<Store> {
  const store = await openEmmettStore(path);
  let version = 0n;
  return {
    async append() {
      // Its events are JSON: as many bytes of text.
      version = await store.append(version, randomBytes(COMMIT_BYTES / 2).toString('hex'));
    },
    close: () => store.close(),
  };
}

/** Appends a second to a new store that has already worked for a while, so that its journal has its full size. */
async function rateOf(open: (path: string) => Promise<Store>): Promise<number> {
  const folder = temporaryFolder();
  const store = await open(join(folder.path, 'store.db'));
  const work = async () => {
    for (let n = 0; n < APPENDS; n += 1) await store.append();
  };
  try {
    await work();
    return await perSecond(APPENDS, work);
  } finally {
    await store.close();
    folder.remove();
  }
}

const measureRaw = () => rawRate({ appends: APPENDS, bytes: COMMIT_BYTES });

/** `store.append.sqlite`: commits of 5 KB, one at a time, against the disk itself and against another event store on SQLite. */
export const storeAppendSqlite: Benchmark = async ({ quick }) => {
  const ours = () => rateOf(openOurs);
  const emmett = () => rateOf(openEmmett);
  const contenders = { ours, raw: measureRaw, rawAgain: measureRaw, emmett, emmettAgain: emmett };
  await interleave(1, contenders);
  const rates = await interleave(quick ? 5 : 41, contenders);
  return [
    ratioOf('store.append.sqlite', {
      against: 'write + fdatasync on a plain file',
      ours: rates.ours,
      peer: rates.raw,
      again: rates.rawAgain,
    }),
    ratioOf('store.append.sqlite.emmett', {
      against: `emmett-sqlite ${EMMETT_VERSION}`,
      ours: rates.ours,
      peer: rates.emmett,
      again: rates.emmettAgain,
    }),
  ];
};
