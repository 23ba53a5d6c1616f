/** What a client does whose thread that writes the replica fails. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Worker } from 'node:worker_threads';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { openMaterial } from './material.ts';
import { createTestBus } from './testing.ts';

/** The threads that this process starts from now on. */
function watchThreads(): Worker[] {
  const workers: Worker[] = [];
  const take = (worker: Worker) => void workers.push(worker);
  process.on('worker', take);
  onTestFinished(() => void process.off('worker', take));
  return workers;
}

test('a thread that fails is an alarm, and another one takes its place: the bus is followed and keys are kept', async () => {
  const { path: folder, remove } = temporaryFolder();
  onTestFinished(remove);
  const bus = await createTestBus({ address: `sqlite:${join(folder, 'bus.db')}#test` });
  onTestFinished(() => bus.close());
  const workers = watchThreads();
  const { identity, trust } = bus;
  const place = { bus: `sqlite:${join(folder, 'bus.db')}#test`, stateDirectory: join(folder, 'state') };
  const source = await openMaterial({ ...place, identity, trust, intervalMs: 200 });
  onTestFinished(() => source.close());
  const alarms: string[] = [];
  source.on('alarm', ({ message }) => alarms.push(message));
  const countKept = () => {
    const name = readdirSync(place.stateDirectory).find((each) => each.endsWith('.keys'));
    using database = new DatabaseSync(join(place.stateDirectory, String(name)), { readOnly: true });
    return Number(database.prepare('SELECT count(*) AS n FROM keys').get()?.['n']);
  };
  expect(workers).toHaveLength(1);
  // One that ends by itself, as where its memory is full, and one that throws.
  const fails = [
    async (worker: Worker) => void (await worker.terminate()),
    async (worker: Worker) => worker.postMessage(null),
  ];
  for (const [n, fail] of fails.entries()) {
    const before = workers.length;
    await fail(workers.at(-1) as Worker);
    await expect.poll(() => alarms.length).toBeGreaterThan(n);
    const { certificateId } = await bus.issue([`n${n}.test`]);
    await expect.poll(() => source.certificate(certificateId)?.names).toEqual([`n${n}.test`]);
    expect(workers.length).toBeGreaterThan(before);
    await expect.poll(() => source.health().live).toBe(true);
    // It opens here until the vault has found the new thread.
    expect(await source.material(certificateId)).toBeDefined();
    await expect
      .poll(async () => {
        const other = await bus.issue([`kept-${n}.test`]);
        await expect.poll(() => source.certificate(other.certificateId)).toBeDefined();
        await source.material(other.certificateId);
        return countKept();
      })
      .toBeGreaterThan(n);
  }
  expect(alarms[0]).toMatch(/The thread that writes the replica (?:has ended|failed)/);
});
