/** Tests of what the metrics make of several CAs at one host. */
import type { Quota } from '@certbus/manager';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { createMetrics, type Measured } from './metrics.ts';

const NOW = new Date('2026-11-29T12:00:00Z');
const DIRECTORIES = [
  'https://ca.test/one/directory',
  'https://ca.test/two/directory',
  'https://ca.test/three/directory',
];
/** What the first, the second and the third have: the least is in the middle. */
const LEFT = [30, 10, 20];

test('of several directories at one host the least is shown: what ends first, also of an account that was given up, and what leaves least room', async () => {
  const registry = new Registry();
  const quotas = DIRECTORIES.map((directory, n): Quota => {
    return { limit: 'orders', directory, subject: directory, capacity: 100, left: LEFT[n] ?? 0 };
  });
  const counts = {
    served: 3,
    due: 0,
    overdue: 0,
    failing: new Map(),
    firstEnd: (directory: string) => new Date(NOW.getTime() + (LEFT[DIRECTORIES.indexOf(directory)] ?? 0) * 1_000),
    endingBefore: () => 0,
  };
  const [accounts, closedAccounts] = [[0, 2], [1]].map((numbers) =>
    numbers.map((n) => ({ directory: DIRECTORIES[n] })),
  );
  const bus = { accounts, closedAccounts, alerts: [], newestAt: undefined };
  const manager: unknown = {
    counts: () => counts,
    checkpoint: { position: 1 },
    state: { bus },
    quotas: () => Promise.resolve(quotas),
  };
  createMetrics(registry).measure(manager as Measured, () => NOW);
  const page = await registry.metrics();
  const shown = (name: string) => page.split('\n').filter((line) => line.startsWith(`certbus_manager_${name}{`));
  expect(shown('first_expiry_seconds')).toEqual(['certbus_manager_first_expiry_seconds{ca="ca.test"} 10']);
  expect(shown('quota_left')).toEqual(['certbus_manager_quota_left{ca="ca.test",limit="orders"} 10']);
  expect(shown('quota_left_ratio')).toEqual(['certbus_manager_quota_left_ratio{ca="ca.test",limit="orders"} 0.1']);
});
