/** A process that follows a bus, and whose role another one takes over. */
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bus } from '@certbus/store';
import { lockFile } from '@certbus/store/sqlite-files';
import { expect, onTestFinished, test } from 'vitest';
import { keepUp } from './follower.ts';
import { beginStory, obtained } from './replica.builders.ts';
import { openReplica, type Replica } from './replica.ts';
import { openToWrite } from './writer/file.ts';
import { createWriter } from './writer/writer.ts';

/** A process that follows a bus with one certificate, and what it reports from now on. */
async function follow() {
  const folder = mkdtempSync(join(tmpdir(), 'certbus-overtaken-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = { path: join(folder, 'replica.db'), role: 'client' as const };
  const story = await beginStory();
  const { busId } = story;
  await story.say(obtained('certificate1', ['a.test']));
  const replica = await openReplica({ ...file, busId });
  onTestFinished(() => replica.close());
  const problems: Error[] = [];
  replica.onProblem((error) => problems.push(error));
  const heard: string[] = [];
  const hear = (what: string) => {
    if (heard.at(-1) !== what) heard.push(what);
  };
  let answers: Promise<unknown> = Promise.resolve();
  const read: Bus['read'] = async (from, options) => {
    await answers;
    return story.bus.read(from, options);
  };
  const stop = new AbortController();
  const meanwhile: (() => Promise<void>)[] = [];
  const apply: Replica['apply'] = async (...args) => {
    const taken = await replica.apply(...args);
    await meanwhile.shift()?.();
    return taken;
  };
  const following = keepUp({
    replica: Object.assign(Object.create(replica) as Replica, { apply }),
    source: { open: async () => ({ bus: { ...story.bus, read }, archive: undefined, async close() {} }) },
    intervalMs: 50,
    signal: stop.signal,
    listener: {
      contact: () => hear('contact'),
      moved: (changes) => {
        for (const { certificateId } of changes) hear(certificateId);
      },
      rebuilt: () => hear('rebuilt'),
      watching: () => hear('watching'),
      failed: (error) => heard.push(error.message),
    },
  });
  await expect.poll(() => heard).toEqual(['rebuilt', 'contact']);
  heard.length = 0;
  return {
    ...{ file, story, replica, problems, heard, meanwhile },
    /** Another process takes the lock. Gives it back with what is returned. */
    overtake() {
      const other = lockFile(`${file.path}.other`);
      renameSync(`${file.path}.other`, `${file.path}.lock`);
      return () => other?.[Symbol.dispose]();
    },
    /** Another process writes the newest commit of the story. */
    writeNewest() {
      const [commit, checkpoint] = [story.commits.at(-1), story.checkpoints.at(-1)];
      if (!commit || !checkpoint) throw new TypeError('the story has commits');
      const { database } = openToWrite({ ...file, busId }, 'another process');
      createWriter(database, { busId, role: file.role })({ kind: 'apply', commits: [commit], checkpoint });
      database.close();
    },
    /** Lets the bus answer nothing until the returned function is called. */
    hangBus(): () => void {
      const { promise, resolve } = Promise.withResolvers<void>();
      answers = promise;
      return resolve;
    },
    async end() {
      stop.abort();
      await following;
    },
  };
}

test.each(['reads along', 'takes over again at once'] as const)(
  'a process that was overtaken reports what was written meanwhile, and nothing else, and %s',
  async (goesOn) => {
    const { story, replica, problems, heard, overtake, writeNewest, hangBus, end } = await follow();
    const answer = hangBus();
    const giveBack = overtake();
    await expect.poll(() => replica.advancing).toBe(false);
    expect(problems).toMatchObject([
      { code: 'CERTBUS_REPLICA_FAILED', message: expect.stringMatching(/^The lock of .* was removed/) },
    ]);
    await story.say(obtained('certificate2', ['b.test']));
    writeNewest();
    if (goesOn === 'takes over again at once') giveBack();
    answer();
    await expect.poll(() => heard).toEqual(['certificate2', goesOn === 'reads along' ? 'watching' : 'contact']);
    if (goesOn === 'reads along') {
      await story.say(obtained('certificate3', ['c.test']));
      giveBack();
      await expect.poll(() => heard.slice(2)).toEqual(['certificate3', 'contact']);
    }
    await end();
  },
);

test('what another process writes before this one has reported its own last commit is reported as well', async () => {
  const { story, replica, heard, meanwhile, overtake, writeNewest, end } = await follow();
  meanwhile.push(async () => {
    const giveBack = overtake();
    onTestFinished(giveBack);
    await expect.poll(() => replica.advancing).toBe(false);
    await story.say(obtained('certificate3', ['c.test']));
    writeNewest();
  });
  await story.say(obtained('certificate2', ['b.test']));
  await expect.poll(() => heard).toEqual(['certificate2', 'certificate3', 'watching']);
  await end();
});
