/** A start from a snapshot that is killed: what a process leaves is what its files hold at that moment. */
import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { ArchivePlace, Bus } from '@certbus/store';
import { openFolder } from '@certbus/store/folder';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createReader } from './reader.ts';
import { beginStory, obtained, takeSnapshot } from './replica.builders.ts';
import { openReplica } from './replica.ts';
import { synchronize } from './sync.ts';
import { openToRead } from './writer/file.ts';
import { createLocalReplica } from './writer/local-replica.ts';
import type { ReplicaFile } from './writer/replica-file.ts';
import { createRoomyWriter } from './writer/roomy-writer.ts';

/** A first start, as the thread that writes a replica carries it out. */
async function start(file: ReplicaFile, bus: Bus, archive: ArchivePlace): Promise<void> {
  const writer = createRoomyWriter({ ...file, holder: 'this test' }, () => {});
  const write = async (wanted: Parameters<typeof writer.write>[0]) => writer.write(wanted);
  const replica = createLocalReplica(writer.reached, { role: file.role, write });
  try {
    const advanced = { ...replica, tryAdvance: async () => writer.advance().advancing };
    await synchronize(advanced, bus, { archive, onError: (error) => expect.unreachable(error.message) });
  } finally {
    writer.close();
  }
}

/** All that is served of a file; `undefined` where there is nothing complete yet. */
function servedOf({ path, busId }: ReplicaFile) {
  if (!existsSync(path)) return undefined;
  using database = openToRead(path, busId);
  const reader = createReader(database);
  return reader.isComplete() ? { checkpoint: reader.checkpoint(), records: [...reader.records()] } : undefined;
}

test('a start from a snapshot that is killed at any step leaves all that is on the bus or nothing, and the next one finishes it', async () => {
  const folder = temporaryFolder();
  onTestFinished(() => folder.remove());
  const fileIn = (name: string): ReplicaFile => ({
    path: join(folder.path, name, 'replica.db'),
    busId,
    role: 'client',
  });
  const story = await beginStory();
  const { busId, bus } = story;
  for (let n = 0; n < 30; n += 1) await story.say(obtained(`certificate${n}`, [`n${n}.test`], `leaf ${n}`));
  await story.say({ type: 'CertificateRemoved', certificateId: 'certificate7' });
  const archive = openFolder(join(folder.path, 'archive'));
  const first = await openReplica({ path: ':memory:', busId });
  onTestFinished(() => first.close());
  await synchronize(first, bus);
  await takeSnapshot(first, archive, story);
  await story.say(obtained('certificate31', ['n31.test'], 'leaf 31'));

  let steps = 0;
  const kept = (step: number) => fileIn(`killed-${step}`);
  const whole = fileIn('whole');
  mkdirSync(join(folder.path, 'whole'));
  const { exec } = DatabaseSync.prototype;
  const spy = vi.spyOn(DatabaseSync.prototype, 'exec').mockImplementation(function (this: DatabaseSync, sql) {
    steps += 1;
    cpSync(join(folder.path, 'whole'), join(folder.path, `killed-${steps}`), { recursive: true });
    return exec.call(this, sql);
  });
  await start(whole, bus, archive);
  spy.mockRestore();

  const expected = servedOf(whole);
  expect(expected).toMatchObject({ checkpoint: story.checkpoints.at(-1) });
  const left = Array.from({ length: steps }, (_, n) => servedOf(kept(n + 1)));
  const firstComplete = left.findIndex((served) => served !== undefined);
  // Some were killed before it was complete, and some behind that.
  expect([firstComplete > 10, firstComplete < steps]).toEqual([true, true]);
  expect(left).toEqual(left.map((_, n) => (n < firstComplete ? undefined : expected)));
  for (let step = 1; step <= steps; step += 1) {
    await start(kept(step), bus, archive);
    expect(servedOf(kept(step))).toEqual(expected);
  }
});
