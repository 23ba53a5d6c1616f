/** Tests of what an expulsion leaves of what a stolen key wrote. */
import { join } from 'node:path';
import { sha256 } from '@certbus/events';
import { openBus, publishSnapshot, writeSnapshot } from '@certbus/store';
import { openFolder } from '@certbus/store/folder';
import { temporaryFolder } from 'certbus-services';
import { sized } from 'certbus-services/vitest';
import fc from 'fast-check';
import { afterAll, afterEach, expect, test } from 'vitest';
import { beginHeist, contentOf, foldAll, type Heist, honestWork, mischief, servedBy } from './expulsion.builders.ts';
import { keepUp } from './follower.ts';
import { obtained } from './replica.builders.ts';
import { openReplica, type Replica } from './replica.ts';
import { synchronize } from './sync.ts';

const folder = temporaryFolder();
const replicas: Replica[] = [];
let files = 0;
const newPath = () => {
  files += 1;
  return join(folder.path, `${files}`, 'replica.db');
};
afterEach(async () => {
  for (const replica of replicas.splice(0)) await replica.close();
});
afterAll(() => folder.remove());

async function newReplica({ busId }: Heist, path = ':memory:'): Promise<Replica> {
  const replica = await openReplica({ path, busId });
  replicas.push(replica);
  return replica;
}

const hashOf = (leaf: string): string => sha256(Buffer.from(leaf));
const readerOf = ({ log, trust }: Heist) => openBus(log, 'test', { trust });

/** Puts a snapshot of a replica into an archive, vouched for by alice. */
async function takeSnapshot(heist: Heist, replica: Replica, place: ReturnType<typeof openFolder>): Promise<void> {
  const checkpoint = replica.checkpoint();
  const content = { checkpoint, bus: replica.bus(), rootEvents: replica.rootEvents(), records: replica.records() };
  const taken = await writeSnapshot(place, heist.busId, content);
  await heist.write('alice', [{ type: 'SnapshotTaken', ...taken }]);
  await publishSnapshot(place, heist.busId, taken, { restored: 0, head: heist.head() });
}

test('what a thief removed, revoked and renewed is served as before', async () => {
  const heist = await beginHeist();
  await heist.write('alice', [obtained('certificate1', ['a.test'], 'honest')]);
  const since = (await heist.write('mallory', mischief('certificate1', ['a.test'], hashOf('honest')))) as number;
  const replica = await newReplica(heist);
  const bus = readerOf(heist);
  await synchronize(replica, bus);
  expect(replica.lookup('a.test')).toEqual([expect.objectContaining({ certificateId: 'new-certificate1' })]);
  expect(replica.bus().accounts.map(({ directory }) => directory)).toEqual(['https://evil.test/dir']);
  await heist.expel(since);
  await synchronize(replica, bus);
  const found = replica.certificate('certificate1');
  expect(found).toMatchObject({ removed: false, revoked: false });
  expect([found?.renewalInfo, found?.failure, found?.issuance]).toEqual([undefined, undefined, undefined]);
  expect(found?.current).toMatchObject({ leafHash: hashOf('honest') });
  expect(found?.current?.distrusted).toBeUndefined();
  expect(found?.predecessors.every(({ distrusted }) => distrusted)).toBe(true);
  expect(replica.certificate('new-certificate1')?.current).toMatchObject({ distrusted: true });
  expect(replica.bus()).toMatchObject({
    accounts: [],
    closedAccounts: [],
    challenges: [],
    snapshots: [],
    unknown: [],
    voided: [],
  });
  const { config, archived } = replica.bus();
  expect([config, archived]).toEqual([undefined, undefined]);
  // Hashes and sealed texts can have any four letters.
  expect(JSON.stringify(replica.bus())).not.toMatch(/evil\.test|evilissuance/);
  expect(Buffer.from(replica.issuer(hashOf('stolen')) ?? []).toString()).toBe('stolen');
  expect(replica.checkpoint().managers.map(({ name }) => name)).toEqual(['alice']);
});

test('what a thief wrote before the first position that is not trusted counts', async () => {
  const heist = await beginHeist();
  await heist.write('mallory', [obtained('certificate1', ['a.test'], 'one')]);
  const since = await heist.write('mallory', [obtained('certificate1', ['a.test'], 'two')]);
  await heist.expel(since);
  const replica = await newReplica(heist);
  await synchronize(replica, readerOf(heist));
  expect(replica.certificate('certificate1')).toMatchObject({
    current: { leafHash: hashOf('one') },
    predecessors: [{ leafHash: hashOf('two'), distrusted: true }],
  });
});

test('a commit in the name of another, under the signature of the thief behind it, is void', async () => {
  const heist = await beginHeist();
  await heist.write('alice', [obtained('certificate1', ['a.test'], 'honest')]);
  const since = await heist.forge([{ type: 'CertificateRemoved', certificateId: 'certificate1' }]);
  await heist.write('mallory', [{ type: 'Heartbeat' }]);
  const replica = await newReplica(heist);
  await synchronize(replica, readerOf(heist));
  expect(replica.lookup('a.test')).toEqual([]);
  await heist.expel(since);
  await synchronize(replica, readerOf(heist));
  expect(replica.lookup('a.test')).toHaveLength(1);
});

test('an expulsion that is found to be too late is repeated with an earlier position', async () => {
  const heist = await beginHeist();
  await heist.write('alice', [obtained('certificate1', ['a.test'], 'honest')]);
  const first = await heist.write('mallory', [{ type: 'CertificateRemoved', certificateId: 'certificate1' }]);
  const second = await heist.write('mallory', [{ type: 'ConfigUpdated', sealed: 'AAAA' }]);
  await heist.expel(second);
  const replica = await newReplica(heist);
  await synchronize(replica, readerOf(heist));
  expect([replica.lookup('a.test').length, replica.bus().config]).toEqual([0, undefined]);
  await heist.expel(first);
  await heist.write('alice', [{ type: 'Heartbeat' }]);
  await synchronize(replica, readerOf(heist));
  expect(replica.lookup('a.test')).toHaveLength(1);
  const newcomer = await newReplica(heist);
  await synchronize(newcomer, readerOf(heist));
  expect(contentOf(newcomer)).toEqual(contentOf(replica));
});

test('what the expelled key writes behind its expulsion stops nobody from taking the expulsion', async () => {
  const heist = await beginHeist();
  await heist.write('alice', [obtained('certificate1', ['a.test'], 'honest')]);
  const since = await heist.write('mallory', [{ type: 'CertificateRemoved', certificateId: 'certificate1' }]);
  const replica = await newReplica(heist);
  await synchronize(replica, readerOf(heist));
  const at = await heist.expel(since);
  await heist.write('mallory', [{ type: 'Heartbeat' }]);
  await expect(synchronize(replica, readerOf(heist))).rejects.toMatchObject({
    code: 'CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE',
  });
  expect(replica.checkpoint().position).toBe(at);
  expect(replica.lookup('a.test')).toHaveLength(1);
});

test('a malformed event of a manager in force is void and reported, and following goes on', async () => {
  const heist = await beginHeist();
  const at = await heist.write('mallory', [{ type: 'CertificateRemoved', certificateId: 7 }]);
  const last = await heist.write('alice', [obtained('certificate1', ['a.test'], 'honest')]);
  const replica = await newReplica(heist, newPath());
  const alarms: Error[] = [];
  const stop = new AbortController();
  const listener = {
    contact: ({ live }: { readonly live: boolean }) => {
      if (live) stop.abort();
    },
    moved() {},
    rebuilt() {},
    watching() {},
    failed: (error: Error) => void alarms.push(error),
  };
  const open = async () => ({ bus: readerOf(heist), archive: undefined, close: async () => {} });
  await keepUp({ replica, source: { open }, intervalMs: 1_000, signal: stop.signal, listener });
  expect(replica.checkpoint().position).toBe(last);
  expect(replica.lookup('a.test')).toHaveLength(1);
  expect(alarms).toMatchObject([
    {
      code: 'CERTBUS_EVENTS_COMMIT_MALFORMED',
      message: expect.stringContaining(`CertificateRemoved at position ${at} is void`),
    },
  ]);
});

test('a follower takes an expulsion while it serves, and goes on', async () => {
  const heist = await beginHeist();
  await heist.write('alice', [obtained('certificate1', ['a.test'], 'honest')]);
  const since = await heist.write('mallory', [{ type: 'CertificateRemoved', certificateId: 'certificate1' }]);
  const replica = await newReplica(heist, newPath());
  await synchronize(replica, readerOf(heist));
  const stop = new AbortController();
  const errors: Error[] = [];
  const seen: number[] = [];
  let found = (_: number) => {};
  const look = () => {
    const { position } = replica.checkpoint();
    seen.push(position);
    found(position);
  };
  const listener = {
    contact() {},
    watching() {},
    failed: (error: Error) => void errors.push(error),
    moved: look,
    rebuilt: look,
  };
  const reached = (position: number) =>
    new Promise<void>((resolve) => {
      found = (at) => {
        if (at >= position) resolve();
      };
    });
  const open = async () => ({ bus: readerOf(heist), archive: undefined, close: async () => {} });
  const following = keepUp({ replica, source: { open }, intervalMs: 100, signal: stop.signal, listener });
  const built = reached(since + 1);
  await heist.expel(since);
  await built;
  expect(replica.lookup('a.test')).toHaveLength(1);
  const next = reached(since + 2);
  await heist.write('alice', [obtained('certificate2', ['b.test'], 'later')]);
  await next;
  expect(replica.lookup('b.test')).toHaveLength(1);
  stop.abort();
  await following;
  expect(errors).toEqual([]);
});

test('a snapshot from between the theft and the expulsion is not taken, one from before is', async () => {
  const heist = await beginHeist();
  const place = openFolder(newPath());
  await heist.write('alice', [obtained('certificate1', ['a.test'], 'honest')]);
  const replica = await newReplica(heist);
  await synchronize(replica, readerOf(heist));
  await takeSnapshot(heist, replica, place);
  const since = await heist.write('mallory', mischief('certificate1', ['a.test'], hashOf('honest')));
  await synchronize(replica, readerOf(heist));
  await takeSnapshot(heist, replica, place);
  await heist.expel(since);
  const bus = openBus(heist.log, 'test', { trust: heist.trust, archive: place });
  const read: number[] = [];
  const watched = {
    ...bus,
    read: (...call: Parameters<typeof bus.read>) => {
      read.push(call[0].position);
      return bus.read(...call);
    },
  };
  const newcomer = await newReplica(heist);
  await synchronize(newcomer, watched, { archive: place });
  expect(Math.min(...read)).toBeGreaterThan(0);
  const byLog = await newReplica(heist);
  await synchronize(byLog, readerOf(heist));
  await synchronize(replica, bus, { archive: place });
  expect(contentOf(newcomer)).toEqual(contentOf(byLog));
  expect(contentOf(replica)).toEqual(contentOf(byLog));
});

/** One step of a history: who writes what about which certificate. */
const step = fc.record({
  by: fc.constantFrom('alice' as const, 'mallory' as const, 'mallory' as const),
  n: fc.integer({ min: 1, max: 4 }),
  what: fc.nat(60),
  isForged: fc.boolean(),
  isLate: fc.boolean(),
  looks: fc.boolean(),
});

const NAMES = [1, 2, 3, 4].flatMap((n) => [`n${n}.test`, `www.n${n}.test`, `new.certificate${n}.test`]);

test('an old follower, newcomers by log and snapshot, and a fold of the log agree, and no name vanishes', {
  tags: 'full',
  timeout: 600_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 3, maxLength: 25 }),
      fc.nat(24),
      fc.nat(24),
      async (steps, theft, snapshotAt) => {
        const heist = await beginHeist();
        const bus = readerOf(heist);
        const place = openFolder(newPath());
        const [old, dated] = [await newReplica(heist), await newReplica(heist)];
        const begun = heist.head().position + 1;
        for (const [index, { by, n, what, isForged, isLate, looks }] of steps.entries()) {
          const id = `certificate${n}`;
          const leaf = old.certificate(id)?.current?.leafHash ?? hashOf('none');
          const evil = mischief(id, [`n${n}.test`], leaf);
          const event = evil[what % evil.length] as object;
          const at = isLate ? new Date('2099-01-01') : new Date();
          if (by === 'alice') await heist.write('alice', honestWork(n));
          else if (isForged) {
            await heist.forge([event]);
            await heist.write('mallory', [{ type: 'Heartbeat' }]);
          } else await heist.write('mallory', [event], at);
          if (looks) await synchronize(old, bus);
          if (index === snapshotAt) {
            await synchronize(dated, bus);
            await takeSnapshot(heist, dated, place);
          }
        }
        await synchronize(old, bus);
        const before = servedBy(old, NAMES);
        await heist.expel(Math.min(begun + theft, heist.head().position));
        await heist.write('alice', honestWork(9));
        const [byLog, bySnapshot] = [await newReplica(heist), await newReplica(heist)];
        await synchronize(old, bus, { archive: place });
        await synchronize(byLog, bus);
        await synchronize(bySnapshot, bus, { archive: place });
        expect(contentOf(byLog)).toEqual(contentOf(old));
        expect(contentOf(bySnapshot)).toEqual(contentOf(old));
        const folded = await foldAll(bus, old.checkpoint());
        for (const [id, certificate] of folded)
          expect(old.certificate(id)).toEqual(certificate && JSON.parse(JSON.stringify(certificate)));
        expect(servedBy(old, NAMES)).toEqual(expect.arrayContaining(before));
        for (const replica of replicas.splice(0)) await replica.close();
      },
    ),
    { numRuns: sized({ small: 40, full: 400 }) },
  );
});
