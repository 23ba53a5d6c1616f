/** Tests of a manager that begins on a bus which was silent for long, on a clock of the test's own. */
import { join } from 'node:path';
import { type Floor, parseManagerKey } from '@certbus/events';
import { BEGINNING } from '@certbus/events/history';
import { openReplica } from '@certbus/replica';
import { openBus } from '@certbus/store';
import { openFolder } from '@certbus/store/folder';
import { createMemoryLog } from '@certbus/store/memory';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import { type Manager, openManager } from '../index.ts';
import { beginTestBus } from '../upkeep/begin-test-bus.ts';

const HOUR_MS = 3_600_000;
const BEGUN = new Date('2026-11-20T00:00:00Z');
const STALE = { code: 'CERTBUS_MANAGER_BUS_STALE' };
const signal = new AbortController().signal;
const folder = temporaryFolder();
let files = 0;
afterAll(() => folder.remove());

const config = {
  version: 1,
  authorities: { ca: { directory: 'https://127.0.0.1:1/dir', termsOfServiceAgreed: true } },
  defaultAuthority: 'ca',
  dns: [],
};

interface Run {
  /** Hours since the bus was begun. */
  readonly hours: number;
  readonly path?: string;
  readonly floor?: Floor | undefined;
  readonly acceptStale?: boolean;
}

/** A bus of one manager, begun at one instant; `manage` runs a manager at another. */
async function newSite() {
  const log = createMemoryLog();
  const { managerKey, trust: begun } = await beginTestBus(log, 'test', { now: () => BEGUN });
  const { floor, ...trust } = begun;
  const key = parseManagerKey(managerKey);
  const warnings: string[] = [];
  async function manage<T>(
    { hours, path = ':memory:', acceptStale, ...own }: Run,
    run: (manager: Manager) => Promise<T>,
  ) {
    const bus = openBus(log, 'test', { trust: { ...trust, floor: own.floor }, signer: key.signer });
    const replica = await openReplica({ path, busId: trust.busId });
    const manager = await openManager({
      bus,
      key,
      replica,
      archive: openFolder(join(folder.path, 'archive')),
      holder: 'one',
      solvers: async () => Promise.reject(new TypeError('nothing is proved here')),
      secrets: () => undefined,
      acceptStale,
      now: () => new Date(BEGUN.getTime() + hours * HOUR_MS),
      logger: { debug() {}, info() {}, warn: (message) => warnings.push(message), error() {} },
    });
    try {
      return await run(manager);
    } finally {
      await manager.close();
      await replica.close();
    }
  }
  const head = async () => (await openBus(log, 'test', { trust }).read(BEGINNING)).checkpoint;
  return { manage, floor, warnings, head };
}

const newPath = () => {
  files += 1;
  return join(folder.path, `${files}`, 'manager.db');
};
const configure = (manager: Manager) => manager.configure(config);

test('a new machine signs on a bus whose newest commit is 48 hours old, and not on one that is older', async () => {
  const { manage, head } = await newSite();
  await expect(manage({ hours: 48.01 }, configure)).rejects.toMatchObject(STALE);
  expect((await head()).position).toBe(1);
  expect(await manage({ hours: 48 }, configure)).toMatchObject({ position: 2 });
});

test('nothing that signs, or asks a CA, begins on an old bus; what reads goes on, with a warning and a finding', async () => {
  const { manage, head, warnings } = await newSite();
  await manage({ hours: 0 }, configure);
  await manage({ hours: 72 }, async (manager) => {
    expect(warnings).toEqual([expect.stringContaining('nothing is signed')]);
    expect(manager.staleSince).toEqual(BEGUN);
    await manager.refresh();
    expect((await manager.configuration())?.json).toEqual(config);
    const refused: readonly (() => Promise<unknown>)[] = [
      () => manager.configure(config),
      () => manager.register({ signal }),
      () => manager.rollOverAccounts({ signal }),
      () => manager.closeAccount({ signal }),
      () => manager.issue({ names: ['a.test'] }, { signal }),
      () => manager.renew('certificate1', { signal }),
      () => manager.runOnce({ signal }),
      () => manager.revoke({ certificateId: 'certificate1', reason: 'superseded' }, { signal }),
      () => manager.remove('certificate1'),
      () => manager.archive({ signal }),
      () => manager.snapshot({ signal }),
    ];
    for (const act of refused) await expect(act()).rejects.toMatchObject(STALE);
    const findings = await manager.diagnose({ domains: [], writeDns: false, signal });
    expect(findings).toContainEqual(
      expect.objectContaining({ check: 'bus', status: 'failed', advice: expect.stringContaining('--accept-stale') }),
    );
  });
  expect((await head()).position).toBe(2);
});

test('a new machine goes on where it is told to, and then needs to be told no more', async () => {
  const { manage } = await newSite();
  const path = newPath();
  await expect(manage({ hours: 72, path }, configure)).rejects.toThrow(
    /position 1.*--accept-stale.*CERTBUS_ACCEPT_STALE/,
  );
  expect(await manage({ hours: 72, path, acceptStale: true }, configure)).toMatchObject({ position: 2 });
  expect(await manage({ hours: 300, path }, configure)).toMatchObject({ position: 3 });
});

test('a machine that only read an old bus has no checkpoint by that', async () => {
  const { manage } = await newSite();
  const path = newPath();
  for (const hours of [72, 73])
    await manage({ hours, path }, async (manager) => {
      await manager.refresh();
      expect(manager.staleSince).toEqual(BEGUN);
    });
  await expect(manage({ hours: 74, path }, configure)).rejects.toMatchObject(STALE);
});

test('a machine that only read a bus while it was fresh has one, however long it is down', async () => {
  const { manage } = await newSite();
  const path = newPath();
  await manage({ hours: 24, path }, async (manager) => expect(manager.staleSince).toBeUndefined());
  expect(await manage({ hours: 24 * 365, path }, configure)).toMatchObject({ position: 2 });
});

test('a heartbeat of another manager makes an old bus fresh again', async () => {
  const { manage } = await newSite();
  const [path, other] = [newPath(), newPath()];
  await manage({ hours: 1, path: other }, async () => {});
  await manage({ hours: 72, path }, async (manager) => {
    expect(manager.staleSince).toEqual(BEGUN);
    await manage({ hours: 72, path: other }, configure);
    await manager.refresh();
    expect(manager.staleSince).toBeUndefined();
    expect(await configure(manager)).toMatchObject({ position: 3 });
  });
});

test('the floor of the trust file stands for a checkpoint where it is the head, and not where it is below', async () => {
  const { manage, floor, head } = await newSite();
  expect(floor).toMatchObject({ position: 1, rootSequence: 2 });
  await manage({ hours: 72, floor }, async (manager) => expect(manager.staleSince).toBeUndefined());
  expect(await manage({ hours: 72, floor }, configure)).toMatchObject({ position: 2 });
  await expect(manage({ hours: 144, floor }, configure)).rejects.toMatchObject(STALE);
  const { position, hash, rootSequence } = await head();
  const newer = { position, hash: hash ?? '', rootSequence };
  expect(await manage({ hours: 144, floor: newer }, configure)).toMatchObject({ position: 3 });
});
