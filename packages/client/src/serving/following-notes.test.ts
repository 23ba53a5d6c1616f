import type { FollowingNote } from '@certbus/replica';
import { expect, test } from 'vitest';
import { createNotes } from '../health.ts';
import { createFollowingNotes } from './following-notes.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

function begin() {
  const world = { elapsedMs: 0, advancing: true, isFull: false };
  const notes = createNotes();
  const written: FollowingNote[] = [];
  const followingNotes = createFollowingNotes({
    replica: {
      get advancing() {
        return world.advancing;
      },
      async note(note) {
        await turn();
        if (world.isFull) throw new Error('the disk is full');
        written.push(note);
      },
    },
    notes,
    everyMs: 10_000,
    elapsed: () => world.elapsedMs,
  });
  const wait = async () => {
    for (let turns = 0; turns < 10; turns += 1) await turn();
  };
  return { world, notes, written, followingNotes, wait };
}

test('liveness and errors are noted at once, the rest at each beat, and nothing where another process advances', async () => {
  const { world, notes, written, followingNotes, wait } = begin();
  notes.live = true;
  for (let contact = 0; contact < 100; contact += 1) followingNotes.update();
  await wait();
  expect(written).toMatchObject([{ live: true, trouble: undefined, everyMs: 10_000 }]);
  notes.trouble = new Error('the bus is away');
  followingNotes.update();
  notes.trouble = undefined;
  followingNotes.update();
  await wait();
  expect(written.at(-1)).toMatchObject({ trouble: undefined });
  const before = written.length;
  followingNotes.beat();
  await wait();
  expect(written).toHaveLength(before + 1);
  world.advancing = false;
  followingNotes.beat();
  await wait();
  expect(written).toHaveLength(before + 1);
});

test('a first catch-up is noted every second, and what a full disk refuses is noted once there is room', async () => {
  const { world, notes, written, followingNotes, wait } = begin();
  for (let page = 0; page < 50; page += 1) {
    world.elapsedMs += 100;
    followingNotes.update();
    await wait();
  }
  expect(written.length).toBeGreaterThanOrEqual(5);
  expect(written.length).toBeLessThanOrEqual(6);
  world.isFull = true;
  notes.live = true;
  followingNotes.update();
  await wait();
  world.isFull = false;
  followingNotes.update();
  await wait();
  expect(written.at(-1)).toMatchObject({ live: true });
});
