/** A process that follows a bus, and whose role another one takes over. */
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lockFile } from '@certbus/store/sqlite-files';
import { expect, onTestFinished, test } from 'vitest';
import { keepUp } from './follower.ts';
import { beginStory, obtained } from './replica.builders.ts';
import { openReplica } from './replica.ts';

test('a process that was overtaken reads along, has everything looked up again, and takes over in its turn', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'certbus-overtaken-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'replica.db');
  const story = await beginStory();
  await story.say(obtained('certificate1', ['a.test']));
  const replica = await openReplica({ path, busId: story.busId, role: 'client' });
  onTestFinished(() => replica.close());
  const problems: Error[] = [];
  replica.onProblem((error) => problems.push(error));
  const heard: string[] = [];
  const hear = (what: string) => () => {
    if (heard.at(-1) !== what) heard.push(what);
  };
  const stop = new AbortController();
  const following = keepUp({
    replica,
    source: { open: async () => ({ bus: story.bus, archive: undefined, async close() {} }) },
    intervalMs: 50,
    signal: stop.signal,
    listener: {
      contact: hear('contact'),
      moved() {},
      rebuilt: hear('rebuilt'),
      watching: hear('watching'),
      failed: (error) => heard.push(error.message),
    },
  });
  await expect.poll(() => heard).toEqual(['rebuilt', 'contact']);
  const other = lockFile(`${path}.other`);
  renameSync(`${path}.other`, `${path}.lock`);
  await expect.poll(() => heard.slice(2)).toEqual(['rebuilt', 'watching']);
  expect(problems).toMatchObject([
    { code: 'CERTBUS_REPLICA_FAILED', message: expect.stringMatching(/^The lock of .* was removed/) },
  ]);
  await story.say(obtained('certificate2', ['b.test']));
  other?.[Symbol.dispose]();
  await expect.poll(() => replica.countServed()).toBe(2);
  expect(heard.slice(4)).toEqual(['contact']);
  stop.abort();
  await following;
});
