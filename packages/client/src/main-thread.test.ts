import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type ThreadCalls, temporaryFolder, watchThreadCalls } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { connect } from './connect.ts';
import { createTestBus } from './testing.ts';

const writesIn = ({ calls }: ThreadCalls): string[] => calls.filter(({ isWrite }) => isWrite).map(({ name }) => name);

/** How many keys the vault of a state folder has. */
function countKept(folder: string): number {
  const name = readdirSync(folder, { recursive: true, encoding: 'utf8' }).find((each) => each.endsWith('.keys'));
  using database = new DatabaseSync(join(folder, String(name)), { readOnly: true });
  return Number(database.prepare('SELECT count(*) AS n FROM keys').get()?.['n']);
}

test('first openings, removals and the names in use write nothing on the main thread', async () => {
  const folder = temporaryFolder();
  onTestFinished(() => folder.remove());
  const bus = await createTestBus();
  onTestFinished(() => bus.close());
  const names = Array.from({ length: 20 }, (_, n) => `n${n}.test`);
  const issued = await Promise.all(names.map((name) => bus.issue([name])));
  const { identity, trust } = bus;
  const client = await connect({ bus: bus.bus, identity, trust, stateDirectory: folder.path, intervalMs: 50 });
  using watched = watchThreadCalls();
  for (const context of await Promise.all(names.map((name) => client.secureContextFor(name))))
    expect(context).toBeDefined();
  // Each was looked up and found, so the watch sees what there is to see.
  expect(watched.calls.filter(({ name }) => name.includes('FROM keys')).length).toBeGreaterThanOrEqual(names.length);
  const removed = new Promise((resolve) => client.on('changed', resolve));
  await bus.remove(issued[0]?.certificateId ?? '');
  await removed;
  expect(writesIn(watched)).toEqual([]);
  await expect.poll(() => countKept(folder.path)).toBe(names.length - 1);
  watched.calls.length = 0;
  await client.close();
  expect(writesIn(watched)).toEqual([]);
});
