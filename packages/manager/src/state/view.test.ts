/** Tests of a manager's picture of the bus and of its replica. */
import {
  createBusId,
  createManagerKey,
  createRootKey,
  type EventOf,
  parseManagerKey,
  parseRootKey,
} from '@certbus/events';
import { BEGINNING, signRootEvent, type WrittenEvent } from '@certbus/events/history';
import { openReplica, type Replica, ReplicaError, synchronize } from '@certbus/replica';
import { type Bus, catchUp, openBus } from '@certbus/store';
import { createMemoryLog } from '@certbus/store/memory';
import { expect, test } from 'vitest';
import { createView, type ManagerView } from './view.ts';

/** How many commits the other process takes between two looks. */
const STEPS = [0, 1, 3, 6, 2];

const obtained = (n: number, leaf: string): EventOf<'CertificateObtained'> => ({
  type: 'CertificateObtained',
  issuanceId: 'issuance0001',
  certificateId: `certificate${n}`,
  reason: 'new',
  names: [`n${n}.test`],
  leaf: Buffer.from(leaf).toString('base64'),
  issuers: [],
  sealedKey: Buffer.from('sealed').toString('base64'),
  serialNumber: '0A',
  notBefore: '2026-11-22T00:00:00Z',
  notAfter: '2027-02-20T00:00:00Z',
  challengeType: 'dns-01',
  directory: 'https://ca.test/dir',
});

/** A bus in memory, and how to say something on it. */
async function beginBus() {
  const root = parseRootKey(createRootKey());
  const text = await createManagerKey();
  const { signer } = parseManagerKey(text);
  const trust = { busId: createBusId(), rootKey: root.publicKey };
  const log = createMemoryLog();
  const managers = [{ name: 'alice', signingKey: signer.publicKey, recipient: 'age1'.padEnd(62, 'q') }];
  const first: WrittenEvent[] = [
    { type: 'BusCreated', busId: trust.busId, rootKey: trust.rootKey },
    signRootEvent(root, trust.busId, 1, { type: 'ManagersUpdated', managers }),
  ];
  const at = new Date();
  let { checkpoint } = await openBus(log, 'test', { trust, signer: root }).append(BEGINNING, first, { at });
  const bus = openBus(log, 'test', { trust, signer });
  const say = async (...events: WrittenEvent[]) => {
    ({ checkpoint } = await bus.append(checkpoint, events, { at }));
  };
  /** Has the root name mallory, who writes these events, and is expelled for it. */
  const beRobbed = async (...events: WrittenEvent[]) => {
    const mallory = parseManagerKey(await createManagerKey()).signer;
    const names = [...managers, { name: 'mallory', signingKey: mallory.publicKey, recipient: 'age1'.padEnd(62, 'q') }];
    await say(signRootEvent(root, trust.busId, 2, { type: 'ManagersUpdated', managers: names }));
    const stolen = openBus(log, 'test', { trust, signer: mallory });
    ({ checkpoint } = await stolen.append(checkpoint, events, { at }));
    const key = { manager: 'mallory', key: mallory.publicKey, since: checkpoint.position };
    return () => say(signRootEvent(root, trust.busId, 3, { type: 'ManagerExpelled', ...key }));
  };
  return { bus, busId: trust.busId, say, beRobbed };
}

/** A replica that says which certificates it was asked for. */
function watched(replica: Replica): Replica & { readonly asked: string[] } {
  const asked: string[] = [];
  return Object.assign(Object.create(replica) as Replica, {
    asked,
    certificate(certificateId: string) {
      asked.push(certificateId);
      return replica.certificate(certificateId);
    },
  });
}

/** A view whose replica reads the bus again where it could not take something. */
const viewOf = (bus: Bus, replica: Replica, onReplicaFailed: (error: unknown) => void = () => {}): ManagerView =>
  createView(replica, {
    readAgain: () => synchronize(replica, bus),
    readElsewhere: async () => replica,
    onReplicaFailed,
  });

/** A replica of which one write fails. */
function failingOnce(replica: Replica): Replica {
  let isFailed = false;
  const apply: Replica['apply'] = async (...call) => {
    if (isFailed) return replica.apply(...call);
    isFailed = true;
    throw new ReplicaError('CERTBUS_REPLICA_FAILED', 'The disk is full.');
  };
  return Object.assign(Object.create(replica) as Replica, { apply });
}

test('what has just changed is kept in memory, and of many changes what the replica has taken is not', async () => {
  const { bus, busId, say } = await beginBus();
  const replica = watched(await openReplica({ path: ':memory:', busId }));
  const view = viewOf(bus, replica);
  const take = async (...events: WrittenEvent[]) => {
    await say(...events);
    await catchUp(bus, view);
    await view.written();
  };
  await take(obtained(1, 'one'));
  await take(obtained(2, 'two'));
  replica.asked.length = 0;
  expect(view.state.certificate('certificate1')?.names).toEqual(['n1.test']);
  expect(replica.asked).toEqual([]);
  await take(...Array.from({ length: 400 }, (_, n) => obtained(3 + (n % 3), 'many')));
  await take(obtained(6, 'last'));
  replica.asked.length = 0;
  for (let n = 0; n < 2; n += 1) expect(view.state.certificate('certificate1')?.names).toEqual(['n1.test']);
  // It is read once, and again where it has changed.
  expect(replica.asked).toEqual(['certificate1']);
  await take(obtained(1, 'renewed'));
  expect(view.state.certificate('certificate1')?.current?.leaf).toBe(Buffer.from('renewed').toString('base64'));
  await replica.close();
});

test('a replica that another process advances, in steps of its own, never shows a commit twice or not at all', async () => {
  const { bus, busId, say } = await beginBus();
  const replica = await openReplica({ path: ':memory:', busId });
  const another = Object.create(replica, { advancing: { value: false } }) as Replica;
  const view = viewOf(bus, another);
  const whole = viewOf(bus, await openReplica({ path: ':memory:', busId }));
  for (let round = 0; round < 40; round += 1) {
    await say(obtained(round % 3, `leaf ${round}`), { type: 'Heartbeat' });
    await say(obtained((round + 1) % 3, `other leaf ${round}`));
    await catchUp(bus, view);
    await catchUp(bus, whole);
    for (const n of [0, 1, 2])
      expect(view.state.certificate(`certificate${n}`)).toEqual(whole.state.certificate(`certificate${n}`));
    expect(view.checkpoint).toEqual(whole.checkpoint);
    for (let step = 0; step < (STEPS[round % STEPS.length] ?? 0); step += 1) {
      const { commits, checkpoint } = await bus.read(replica.checkpoint(), { limit: 1 });
      await replica.apply(commits, checkpoint);
    }
  }
  await replica.close();
});

test('what was read of a replica is read again once another process has advanced it', async () => {
  const { bus, busId, say } = await beginBus();
  const replica = await openReplica({ path: ':memory:', busId });
  await say(obtained(1, 'one'));
  await synchronize(replica, bus);
  const view = viewOf(bus, Object.create(replica, { advancing: { value: false } }) as Replica);
  const leaf = () => view.state.certificate('certificate1')?.current?.leaf;
  expect(leaf()).toBe(Buffer.from('one').toString('base64'));
  await say(obtained(1, 'renewed'));
  const { commits, checkpoint } = await bus.read(replica.checkpoint());
  await replica.apply(commits, checkpoint);
  // What this view takes now goes further than the replica.
  await say({ type: 'Heartbeat' });
  await catchUp(bus, view);
  expect(leaf()).toBe(Buffer.from('renewed').toString('base64'));
  await replica.close();
});

test('a replica of which one write failed reads the bus again with the next commit', async () => {
  const { bus, busId, say } = await beginBus();
  const replica = failingOnce(await openReplica({ path: ':memory:', busId }));
  const failures: unknown[] = [];
  const view = viewOf(bus, replica, (error) => failures.push(error));
  for (const n of [1, 2, 3]) {
    await say(obtained(n, `leaf ${n}`));
    await catchUp(bus, view);
    await view.written();
  }
  expect(failures).toMatchObject([{ code: 'CERTBUS_REPLICA_FAILED' }]);
  expect(replica.checkpoint()).toEqual(view.checkpoint);
  for (const n of [1, 2, 3]) expect(replica.certificate(`certificate${n}`)?.names).toEqual([`n${n}.test`]);
  await replica.close();
});

test('a replica of which a write failed while others were under way misses none of them', async () => {
  const { bus, busId, say } = await beginBus();
  const replica = failingOnce(await openReplica({ path: ':memory:', busId }));
  const view = viewOf(bus, replica);
  for (const n of [1, 2, 3, 4]) {
    await say(obtained(n, `leaf ${n}`));
    await catchUp(bus, view);
  }
  await view.written();
  view.mend();
  await view.written();
  expect(replica.checkpoint()).toEqual(view.checkpoint);
  await replica.close();
});

const removal: WrittenEvent = { type: 'CertificateRemoved', certificateId: 'certificate1' };

/** A bus with a certificate that a thief removed, and a view of it. */
async function beginHeist(readElsewhere: (bus: Bus, busId: string) => Promise<Replica>, by: (of: Replica) => Replica) {
  const { bus, busId, say, beRobbed } = await beginBus();
  await say(obtained(1, 'one'));
  const expel = await beRobbed(removal, { type: 'MoonPhaseChanged' } as unknown as WrittenEvent);
  const replica = await openReplica({ path: ':memory:', busId });
  const own = by(replica);
  const failures: unknown[] = [];
  const view = createView(own, {
    readAgain: async () => own.advancing && synchronize(own, bus),
    readElsewhere: () => readElsewhere(bus, busId),
    onReplicaFailed: (error) => failures.push(error),
  });
  await catchUp(bus, view);
  expect([view.state.certificate('certificate1')?.removed, view.state.bus.unknown]).toEqual([
    true,
    ['MoonPhaseChanged'],
  ]);
  return { bus, say, expel, replica, view, failures };
}

async function readInMemory(bus: Bus, busId: string): Promise<Replica> {
  const replica = await openReplica({ path: ':memory:', busId });
  await synchronize(replica, bus);
  return replica;
}

/** As a process sees a replica that another one advances. */
const advancedElsewhere = (replica: Replica): Replica =>
  Object.create(replica, { advancing: { value: false } }) as Replica;

/** A replica that cannot be built again, on a disk that is full. */
const onFullDisk = (replica: Replica): Replica =>
  Object.assign(Object.create(replica) as Replica, {
    build: () => Promise.reject(new ReplicaError('CERTBUS_REPLICA_FAILED', 'The disk is full.')),
  });

test.each([
  ['its own replica', (replica: Replica) => replica, 0],
  ['memory, where another process holds the replica', advancedElsewhere, 0],
  ['memory, where the disk is full', onFullDisk, 1],
] as const)('an expulsion has a manager make its picture again in %s', async (_, by, failed) => {
  const { bus, say, expel, view, failures } = await beginHeist(readInMemory, by);
  await expel();
  await catchUp(bus, view);
  expect(view.state.certificate('certificate1')).toMatchObject({ removed: false, current: { names: ['n1.test'] } });
  expect(view.state.bus.unknown).toEqual([]);
  expect(failures).toHaveLength(failed);
  await say(obtained(2, 'two'));
  await catchUp(bus, view);
  await view.written();
  expect(view.replica.checkpoint()).toEqual(view.checkpoint);
});

test('an expulsion that another process has taken into the replica is read there', async () => {
  const readElsewhere = () => Promise.reject(new TypeError('the replica is there'));
  const { bus, expel, replica, view } = await beginHeist(readElsewhere, advancedElsewhere);
  await expel();
  await synchronize(replica, bus);
  await catchUp(bus, view);
  expect(view.state.certificate('certificate1')).toMatchObject({ removed: false });
  expect(view.checkpoint).toEqual(replica.checkpoint());
});
