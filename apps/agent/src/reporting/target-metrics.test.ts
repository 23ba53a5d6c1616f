import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import type { Standing } from '../reconcile/pass.ts';
import { collectTargetMetrics } from './target-metrics.ts';

const standingsOf = (count: number): ReadonlyMap<string, Standing> =>
  new Map(
    Array.from({ length: count }, (_, n) => [
      `id${n}`,
      { names: [`${n}.test`], leafHash: 'x', notAfter: new Date(0), problem: undefined },
    ]),
  );

test.each([
  [500, 1_000],
  [501, 0],
])('with %d and 500 certificates, %d have a series of their own', async (count, labelled) => {
  const registry = new Registry();
  const standings = () =>
    [
      ['one', standingsOf(count)],
      ['two', standingsOf(500)],
    ] as const;
  collectTargetMetrics({ health: () => ({ targets: [] }), standings }, registry);
  const lines = (await registry.metrics()).split('\n');
  expect(lines.filter((line) => line.startsWith('certbus_target_certificate_in_place{'))).toHaveLength(labelled);
});
