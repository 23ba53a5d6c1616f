/** Tests of how changes are handed to a thread that has other things to do. */
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
  await read({
    moved(changes) {
      seenAt.push(turns);
      calls.push(changes.map(({ certificateId }) => certificateId));
    },
    rebuilt: () => expect.unreachable(),
  });
  clearImmediate(next);
  expect(calls.flat().toSorted()).toEqual(ids(0, 210).toSorted());
  expect(calls.map(({ length }) => length)).toEqual([30, 30, 120, 30]);
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
  await spread(changes, { moved: (some) => void sizes.push(some.length) });
  expect(sizes).toEqual([50, 50, 20]);
  await spread([], { moved: (some) => void sizes.push(some.length) });
  expect(sizes).toEqual([50, 50, 20, 0]);
});
