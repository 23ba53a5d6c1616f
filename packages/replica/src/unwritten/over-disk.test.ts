import { expect, test } from 'vitest';
import { beginStory, obtained } from '../replica.builders.ts';
import { openReplica } from '../replica.ts';
import { createOverDisk } from './over-disk.ts';
import { createUnwritten } from './unwritten.ts';

/** A bus of six certificates, one a commit, of which two are on the disk. */
async function create() {
  const { busId, commits, checkpoints, say } = await beginStory();
  for (let n = 1; n <= 6; n += 1) await say(obtained(`certificate${n}`, [`${n}.test`]));
  const first = commits.length - 6;
  const disk = await openReplica({ path: ':memory:', busId, role: 'client' });
  await disk.complete();
  /** Writes to the disk up to so many certificates. */
  async function write(count: number): Promise<void> {
    const { position } = disk.checkpoint();
    const checkpoint = checkpoints[first + count - 1];
    if (checkpoint) await disk.apply(commits.slice(position, first + count), checkpoint);
  }
  await write(2);
  const served = createOverDisk(() => disk);
  /** Reads the bus on from where the disk is, as a process that has nothing in memory yet. */
  function begin() {
    const unwritten = createUnwritten(() => disk, busId);
    return (count: number): void => {
      const checkpoint = checkpoints[first + count - 1];
      const change =
        checkpoint && unwritten.take(commits.slice(unwritten.checkpoint.position, first + count), checkpoint);
      if (!change) throw new TypeError('there is room for it');
      served.take(change);
    };
  }
  const names = () => [...served.reader().certificates()].map((each) => each.names[0]).join(' ');
  const reached = () => served.reader().checkpoint().position - first;
  return { served, write, begin, names, reached };
}

const UP_TO_5 = '1.test 2.test 3.test 4.test 5.test';

test('what is in memory alone is served until it is written', async () => {
  const { served, write, begin, names, reached } = await create();
  const take = begin();
  expect([names(), reached()]).toEqual(['1.test 2.test', 2]);
  take(3);
  take(5);
  expect([names(), reached()]).toEqual([UP_TO_5, 5]);
  await write(5);
  served.written();
  expect([names(), reached()]).toEqual([UP_TO_5, 5]);
});

test('once another process writes, it is served until that one has read as much, and the bus is read on from the disk', async () => {
  const { served, write, begin, names, reached } = await create();
  begin()(5);
  served.detach();
  expect([names(), reached()]).toEqual([UP_TO_5, 2]);
  await write(4);
  expect([names(), reached()]).toEqual([UP_TO_5, 4]);
  await write(6);
  expect([names(), reached()]).toEqual([`${UP_TO_5} 6.test`, 6]);
});

test('a process that takes over on a full disk, and reads the bus once more, serves nothing older meanwhile', async () => {
  const { served, begin, names, reached } = await create();
  begin()(5);
  served.detach();
  const take = begin();
  take(3);
  expect([names(), reached()]).toEqual([UP_TO_5, 3]);
  take(4);
  expect([names(), reached()]).toEqual([UP_TO_5, 4]);
  take(6);
  expect([names(), reached()]).toEqual([`${UP_TO_5} 6.test`, 6]);
});

test('neither does one that has room before the bus is there', async () => {
  const { served, write, begin, names, reached } = await create();
  begin()(5);
  served.detach();
  served.written();
  expect([names(), reached()]).toEqual([UP_TO_5, 2]);
  begin()(3);
  await write(3);
  served.written();
  expect([names(), reached()]).toEqual([UP_TO_5, 3]);
  await write(5);
  expect([names(), reached()]).toEqual([UP_TO_5, 5]);
});

test('what another process takes over again before as much was read is served on', async () => {
  const { served, begin, names, reached } = await create();
  begin()(5);
  served.detach();
  begin()(3);
  served.detach();
  expect([names(), reached()]).toEqual([UP_TO_5, 2]);
});
