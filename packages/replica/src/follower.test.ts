/** A process that follows a bus, or reads along, where looks and reports fail. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { keepUp } from './follower.ts';
import { beginStory, obtained } from './replica.builders.ts';
import { openReplica, type Replica } from './replica.ts';
import { synchronize } from './sync.ts';

test.each(['moved', 'rebuilt'] as const)(
  'what a process has taken and could not report is reported at its next look: %s',
  async (what) => {
    const { busId, bus, say } = await beginStory();
    const replica = await openReplica({ path: ':memory:', busId, role: 'client' });
    onTestFinished(() => replica.close());
    if (what === 'moved') await synchronize(replica, bus);
    await say(obtained('certificate1', ['a.test']), obtained('certificate2', ['b.test']));
    const heard: string[] = [];
    let fails = true;
    const hear = (it: string) => {
      if (fails) {
        fails = false;
        throw new Error('EIO: i/o error, read');
      }
      heard.push(it);
    };
    const stop = new AbortController();
    const following = keepUp({
      replica,
      source: { open: async () => ({ bus, archive: undefined, async close() {} }) },
      intervalMs: 50,
      signal: stop.signal,
      listener: {
        contact() {},
        moved(changes) {
          for (const { certificateId } of changes) hear(certificateId);
        },
        rebuilt: () => hear('rebuilt'),
        watching: () => expect.unreachable(),
        failed: ({ message }) => heard.push(message),
      },
    });
    const reported = what === 'moved' ? ['certificate1', 'certificate2'] : ['rebuilt'];
    await expect.poll(() => heard).toEqual(['EIO: i/o error, read', ...reported]);
    await say(obtained('certificate3', ['c.test']));
    await expect.poll(() => heard.slice(1)).toEqual([...reported, 'certificate3']);
    stop.abort();
    await following;
  },
);

test.each([
  ['reads along again', false],
  ['follows itself by then', true],
])('what was written while a process that reads along could not look is reported once it %s', async (_, takesOver) => {
  const folder = mkdtempSync(join(tmpdir(), 'certbus-follower-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const { busId, bus, say } = await beginStory();
  const file = { path: join(folder, 'replica.db'), busId, role: 'client' as const };
  const first = await openReplica(file);
  onTestFinished(() => first.close());
  await synchronize(first, bus);
  const second = await openReplica(file);
  onTestFinished(() => second.close());
  const heard: string[] = [];
  let fails = true;
  const failing = Object.create(second, {
    whenWritten: {
      async value(...wait: Parameters<Replica['whenWritten']>) {
        if (!fails) return second.whenWritten(...wait);
        fails = false;
        await say(obtained('certificate1', ['a.test']));
        await synchronize(first, bus);
        if (takesOver) await first.close();
        throw new Error('EMFILE: too many open files');
      },
    },
  }) as Replica;
  const stop = new AbortController();
  const following = keepUp({
    replica: failing,
    source: { open: async () => ({ bus, archive: undefined, async close() {} }) },
    intervalMs: 50,
    signal: stop.signal,
    listener: {
      contact: () => expect(takesOver).toBe(true),
      moved: (changes) => heard.push(...changes.map(({ certificateId }) => certificateId)),
      rebuilt: () => heard.push('rebuilt'),
      watching() {},
      failed: ({ message }) => heard.push(message),
    },
  });
  await expect.poll(() => heard).toEqual(['EMFILE: too many open files', 'certificate1']);
  stop.abort();
  await following;
});
