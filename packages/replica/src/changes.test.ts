/** Tests of how changes are handed to a thread that has other things to do. */
import { BEGINNING } from '@certbus/events/history';
import { expect, test } from 'vitest';
import { createChangeReader, spread } from './changes.ts';
import { beginStory, obtained } from './replica.builders.ts';
import { openReplica } from './replica.ts';
import { synchronize } from './sync.ts';

const ids = (from: number, count: number) => Array.from({ length: count }, (_, n) => `certificate${from + n}`);

test('changes are read a few at a time, each in a turn of its own, and none is left out', async () => {
  const story = await beginStory();
  const replica = await openReplica({ path: ':memory:', busId: story.busId, role: 'client' });
  await synchronize(replica, story.bus);
  const read = createChangeReader(replica);
  // One commit has more than are read at once.
  for (const [from, count] of [
    [0, 30],
    [30, 30],
    [60, 120],
    [180, 30],
  ] as const)
    await story.say(...ids(from, count).map((id) => obtained(id, [`${id}.test`])));
  await synchronize(replica, story.bus);
  const calls: string[][] = [];
  let turns = 0;
  const count = () => {
    turns += 1;
    next = setImmediate(count);
  };
  let next = setImmediate(count);
  const seenAt: number[] = [];
  await read.report({
    moved(changes) {
      seenAt.push(turns);
      calls.push(changes.map(({ certificateId }) => certificateId));
    },
    rebuilt: () => expect.unreachable(),
  });
  clearImmediate(next);
  expect(calls.flat().toSorted()).toEqual(ids(0, 210).toSorted());
  expect(calls.map(({ length }) => length)).toEqual([25, 5, 25, 5, 25, 25, 25, 25, 20, 25, 5]);
  expect(new Set(seenAt).size).toBe(calls.length);
  await replica.close();
});

test('what a page changed is spread over turns', async () => {
  const changes = ids(0, 120).map((certificateId) => ({
    certificateId,
    names: [],
    removed: false,
    position: 1,
    isServed: true,
  }));
  const sizes: number[] = [];
  await spread(changes, { moved: (some, reached) => void sizes.push(some.length, reached ?? 0) }, 7);
  expect(sizes.splice(0)).toEqual([25, 0, 25, 0, 25, 0, 25, 0, 20, 7]);
  await spread([], { moved: (some, reached) => void sizes.push(some.length, reached ?? 0) }, 8);
  expect(sizes).toEqual([0, 8]);
});

test('a replica that lost rows is another one once it was read from the bus again, and not before', async () => {
  const now = { position: 7, isComplete: true, lost: undefined as number | undefined };
  const changes = [{ certificateId: 'certificate1', names: [], removed: false, position: 5, isServed: true }];
  const read = createChangeReader({
    checkpoint: () => ({ ...BEGINNING, position: now.position }),
    isComplete: () => now.isComplete,
    countLost: () => now.lost,
    changedSince: (position) => changes.filter((change) => change.position > position),
  });
  const heard: string[] = [];
  const look = () =>
    read.report({ moved: ({ length }) => heard.push(`${length} changed`), rebuilt: () => heard.push('rebuilt') });
  // Its own row is among what was lost.
  Object.assign(now, { position: 0, lost: 3 });
  await look();
  await look();
  expect(heard.splice(0)).toEqual(['0 changed', '0 changed']);
  Object.assign(now, { position: 7, lost: undefined });
  await look();
  expect(heard.splice(0)).toEqual(['rebuilt']);
  // One of which nothing could be read is empty first.
  Object.assign(now, { position: 0, isComplete: false });
  await look();
  Object.assign(now, { position: 7, isComplete: true });
  await look();
  expect(heard).toEqual(['0 changed', 'rebuilt']);
});

test('what a process has read from the bus itself is not reported again once another one writes it, and what that one adds is', async () => {
  const now = { position: 7, restored: 0 };
  const placed = (position: number) => {
    const certificateId = `certificate${position}`;
    return { certificateId, names: [], removed: false, position, isServed: true };
  };
  const disk = [8, 9, 10, 11].map(placed);
  const changes = createChangeReader({
    checkpoint: () => ({ ...BEGINNING, ...now }),
    isComplete: () => true,
    countLost: () => undefined,
    changedSince: (position) => disk.filter((change) => change.position > position && change.position <= now.position),
  });
  const heard: string[] = [];
  const moved = (some: readonly { readonly certificateId: string }[]) =>
    heard.push(...some.map(({ certificateId }) => certificateId));
  const report = () => changes.report({ moved, rebuilt: () => heard.push('rebuilt') });
  // It was in memory here, and the disk stands where it stood.
  changes.known(10, { isInMemory: true });
  for (const position of [7, 9, 11]) {
    Object.assign(now, { position });
    await report();
  }
  expect(heard.splice(0)).toEqual(['certificate11']);
  // What was on the disk is another replica where it is older now.
  changes.known(11, { isInMemory: false });
  Object.assign(now, { position: 9 });
  await report();
  expect(heard.splice(0)).toEqual(['rebuilt']);
  changes.known(10, { isInMemory: true });
  Object.assign(now, { restored: 3 });
  await report();
  expect(heard).toEqual(['rebuilt']);
});
