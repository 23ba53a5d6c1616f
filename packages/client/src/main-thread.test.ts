import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Bus } from '@certbus/store';
import { type ThreadCalls, temporaryFolder, watchThreadCalls } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { madeUp } from './client.builders.ts';
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

test.each(['in memory', 'in a file'])(
  'an open bus is read in small pages, at the first replay and behind it: %s',
  async (where) => {
    const folder = temporaryFolder();
    onTestFinished(() => folder.remove());
    const bus = await createTestBus();
    onTestFinished(() => bus.close());
    const leaf = Buffer.alloc(5_000).toString('base64');
    for (let n = 0; n < 60; n += 1) await bus.append({ ...madeUp(`n${n}.test`), leaf });
    const pages: { readonly maxBytes: number | undefined; readonly commits: number }[] = [];
    const watched: Bus = {
      ...bus.bus,
      async read(from, options) {
        const page = await bus.bus.read(from, options);
        pages.push({ maxBytes: options?.maxBytes, commits: page.commits.length });
        return page;
      },
    };
    const place = where === 'in memory' ? { replica: ':memory:' as const } : { stateDirectory: folder.path };
    const { identity, trust } = bus;
    await using client = await connect({ bus: watched, identity, trust, intervalMs: 50, ...place });
    const { position } = client.health();
    // No page has all of them.
    expect(Math.max(...pages.map(({ commits }) => commits))).toBeLessThan(position);
    await bus.append(madeUp('later.test'));
    await expect.poll(() => client.health().position).toBe(position + 1);
    expect(new Set(pages.map(({ maxBytes }) => maxBytes))).toEqual(new Set([100_000]));
  },
);
