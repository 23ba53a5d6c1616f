/** Tests of a replica on a bus whose trust file has a floor, against a store's holder who cuts the log off. */
import { join } from 'node:path';
import type { Floor } from '@certbus/events';
import { type Checkpoint, floorAt, type RootBody, signRootEvent } from '@certbus/events/history';
import { type ArchivePlace, type Bus, openBus, publishSnapshot, writeSnapshot } from '@certbus/store';
import { openFolder } from '@certbus/store/folder';
import { temporaryFolder } from 'certbus-services';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { keepUp } from './follower.ts';
import { beginStory, obtained, type Story } from './replica.builders.ts';
import { openReplica, type Replica } from './replica.ts';
import { prepare, rebuild, synchronize } from './sync.ts';

const BELOW = { name: 'HistoryError', code: 'CERTBUS_EVENTS_BELOW_FLOOR' };
const MALLORY = { name: 'mallory', recipient: 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p' };
const folder = temporaryFolder();
const replicas: Replica[] = [];
let files = 0;
let story: Story;
let floor: Floor;

afterEach(async () => {
  for (const replica of replicas.splice(0)) await replica.close();
});
afterAll(() => folder.remove());

/** Position of the commit by which the root takes mallory from the recipients. */
const FLOOR = 6;

beforeEach(async () => {
  files += 1;
  story = await beginStory();
  await sayAsRoot(3, { type: 'RecipientsUpdated', recipients: [MALLORY] });
  for (const n of [3, 4, 5]) await story.say(obtained(`certificate${n}`, [`n${n}.test`], `leaf ${n}`));
  await sayAsRoot(4, { type: 'RecipientsUpdated', recipients: [{ ...MALLORY, name: 'edge' }] });
  floor = floorAt(last());
  expect(floor).toMatchObject({ position: FLOOR, rootSequence: 4 });
  await story.say(obtained('certificate7', ['n7.test'], 'leaf 7'));
});

const last = () => story.checkpoints.at(-1) as Checkpoint;
/** The bus as somebody opens it whose `bus.pub` has the floor. */
const bounded = (): Bus => openBus(story.log, 'test', { ...story, trust: { ...story.trust, floor } });

async function sayAsRoot(sequence: number, body: RootBody): Promise<void> {
  const { trust, root, log } = story;
  const bus = openBus(log, 'test', { trust, signer: root });
  const event = signRootEvent(root, trust.busId, sequence, body);
  story.checkpoints.push((await bus.append(last(), [event], { at: new Date() })).checkpoint);
}

/** What the store's holder can do: only the first `length` commits are left. */
async function cutOff(length: number): Promise<void> {
  const { commits } = await story.log.read('test', length, { limit: 100 });
  for (const { position, bytes } of commits.toReversed())
    await story.log.maintenance?.replace('test', position, { found: bytes, bytes: undefined });
  story.checkpoints.splice(length);
}

async function newReplica(path = join(folder.path, `${files}`, `${replicas.length}.db`)): Promise<Replica> {
  const replica = await openReplica({ path, busId: story.busId });
  replicas.push(replica);
  return replica;
}

/** Puts a snapshot of a replica into an archive, and has the manager vouch for it. */
async function takeSnapshot(replica: Replica, name: string): Promise<ArchivePlace> {
  const place = openFolder(join(folder.path, `${files}`, name));
  const [checkpoint, rootEvents, records] = [replica.checkpoint(), replica.rootEvents(), [...replica.records()]];
  const taken = await writeSnapshot(place, story.busId, { checkpoint, bus: replica.bus(), rootEvents, records });
  await story.say({ type: 'SnapshotTaken', ...taken });
  await publishSnapshot(place, story.busId, taken, { restored: checkpoint.restored, head: last() });
  return place;
}

/** Follows with a replica until something fails or the bus is live. */
async function followOnce(replica: Replica): Promise<Error | 'live'> {
  const stop = new AbortController();
  let ended: Error | 'live' | undefined;
  const end = (how: Error | 'live') => {
    ended ??= how;
    stop.abort();
  };
  await keepUp({
    replica,
    source: { open: async () => ({ bus: bounded(), archive: undefined, close: async () => {} }) },
    intervalMs: 100,
    signal: stop.signal,
    listener: {
      contact: ({ live }) => live && end('live'),
      moved() {},
      rebuilt() {},
      watching() {},
      failed: (error) => end(error),
    },
  });
  return ended ?? 'live';
}

describe.each(['file', 'memory'])('a newcomer in %s', (kind) => {
  const begin = () => (kind === 'file' ? newReplica() : newReplica(':memory:'));

  test('begins where the log reaches the floor, also exactly', async () => {
    await cutOff(FLOOR);
    const replica = await begin();
    expect(await synchronize(replica, bounded())).toBe(true);
    expect(replica.checkpoint()).toEqual(last());
    expect(replica.bus().recipients).toMatchObject([{ name: 'edge' }]);
  });

  test.each([1, 3, FLOOR - 1])('takes nothing of a log that was cut off behind position %i', async (length) => {
    await cutOff(length);
    const replica = await begin();
    await expect(synchronize(replica, bounded())).rejects.toMatchObject({ ...BELOW, position: length });
    expect(await followOnce(replica)).toMatchObject(BELOW);
    expect(replica.checkpoint().position).toBe(0);
    expect([...replica.certificates()]).toEqual([]);
    expect(replica.bus().recipients).toEqual([]);
  });

  test('takes nothing of an empty stream', async () => {
    await cutOff(0);
    expect(await followOnce(await begin())).toMatchObject(BELOW);
  });

  test('takes no snapshot from below the floor on a log that was cut off behind it', async () => {
    const first = await newReplica();
    await cutOff(4);
    await synchronize(first, story.bus);
    const archive = await takeSnapshot(first, 'archive');
    expect(last().position).toBe(5);
    const replica = await begin();
    const errors: Error[] = [];
    const onError = (error: Error) => errors.push(error);
    await expect(synchronize(replica, bounded(), { archive, onError })).rejects.toMatchObject(BELOW);
    expect(errors).toMatchObject([BELOW]);
    expect(replica.checkpoint().position).toBe(0);
  });

  test('takes a snapshot from below the floor on a log that reaches it, and one from beyond', async () => {
    const early = await newReplica();
    const { commits, checkpoint } = await story.bus.read(early.checkpoint(), { limit: 3 });
    await early.apply(commits, checkpoint);
    const archive = await takeSnapshot(early, 'early');
    const fromEarly = await begin();
    expect(await prepare(fromEarly, bounded(), { archive })).toBe(true);
    expect(fromEarly.checkpoint()).toEqual(last());
    const late = await takeSnapshot(fromEarly, 'late');
    const fromLate = await begin();
    expect(await prepare(fromLate, bounded(), { archive: late })).toBe(true);
    expect(fromLate.checkpoint()).toEqual(last());
  });

  test('takes no snapshot without the changes of keys that the floor knows', async () => {
    const first = await newReplica();
    // Cut off, and written on by a manager to beyond the floor: what the root said at it is missing.
    await cutOff(5);
    for (const n of [6, 7]) await story.say(obtained(`certificate${n}x`, [`other${n}.test`]));
    await synchronize(first, story.bus);
    const archive = await takeSnapshot(first, 'archive');
    const replica = await begin();
    const errors: Error[] = [];
    const onError = (error: Error) => errors.push(error);
    await expect(synchronize(replica, bounded(), { archive, onError })).rejects.toMatchObject(BELOW);
    expect(errors).toMatchObject([BELOW]);
    expect(replica.checkpoint().position).toBe(0);
  });
});

describe('a replica that has read less than the floor', () => {
  let replica: Replica;
  beforeEach(async () => {
    replica = await newReplica();
    const { commits, checkpoint } = await story.bus.read(replica.checkpoint(), { limit: 3 });
    await replica.apply(commits, checkpoint);
  });

  test('goes on where the log reaches the floor', async () => {
    expect(await followOnce(replica)).toBe('live');
    expect(replica.checkpoint()).toEqual(last());
  });

  test('keeps what it has, and takes nothing of a log that was cut off', async () => {
    await cutOff(5);
    expect(await followOnce(replica)).toMatchObject(BELOW);
    await expect(synchronize(replica, bounded())).rejects.toMatchObject(BELOW);
    expect(replica.checkpoint().position).toBe(3);
    expect(replica.lookup('n3.test')).toHaveLength(1);
  });

  test('takes nothing of a line that somebody wrote on in the place of what was cut off', async () => {
    await cutOff(4);
    for (const n of [5, 6, 7]) await story.say(obtained(`certificate${n}x`, [`other${n}.test`]));
    expect(await followOnce(replica)).toMatchObject({ ...BELOW, position: FLOOR });
    await expect(synchronize(replica, bounded())).rejects.toMatchObject(BELOW);
    expect(replica.checkpoint().position).toBe(3);
  });

  test('is built again on a line that the root has restored', async () => {
    await cutOff(2);
    const { position, hash } = last();
    await sayAsRoot(104, { type: 'BusRestored', position, hash: hash ?? '' });
    expect(await synchronize(replica, bounded())).toBe(true);
    expect(replica.checkpoint()).toEqual(last());
    expect(replica.lookup('n3.test')).toEqual([]);
  });

  test('is followed onto a line that the root has restored', async () => {
    await cutOff(2);
    const { position, hash } = last();
    await sayAsRoot(104, { type: 'BusRestored', position, hash: hash ?? '' });
    await followOnce(replica);
    expect(await followOnce(replica)).toBe('live');
    expect(replica.checkpoint()).toEqual(last());
  });
});

test('a replica that is built again for a later release keeps what it has where the log was cut off since', async () => {
  // What an earlier release wrote of an event that it did not know, and this one does.
  const replica = await newReplica();
  await synchronize(replica, story.bus);
  const outgrown = Object.create(replica, {
    bus: { value: () => ({ ...replica.bus(), unknown: ['Heartbeat'] }) },
  }) as Replica;
  await cutOff(4);
  expect(await prepare(outgrown, story.bus)).toBe(false);
  expect(replica.checkpoint().position).toBe(7);
  await expect(synchronize(outgrown, story.bus)).rejects.toMatchObject({ code: 'CERTBUS_EVENTS_HISTORY_FORKED' });
  expect(replica.lookup('n7.test')).toHaveLength(1);
});

test.each(['file', 'memory'])('a replica in %s that was settled is so after it was built again', async (kind) => {
  const replica = await (kind === 'file' ? newReplica() : newReplica(':memory:'));
  await synchronize(replica, story.bus);
  expect(replica.isSettled()).toBe(false);
  await replica.settle();
  await rebuild(replica, story.bus);
  expect(replica.isSettled()).toBe(true);
});
