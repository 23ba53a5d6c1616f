/** Tests of a mass renewal within a CA's limits. */
import { sized } from 'certbus-services/vitest';
import { expect, test } from 'vitest';
import { idle, renewAll, startMassRenewal } from './mass-renewal.builders.ts';
import type { RenewalOutcome } from './outcome.ts';

const never = new AbortController().signal;
const countOf = (outcomes: readonly RenewalOutcome[], wanted: RenewalOutcome['outcome']) =>
  outcomes.filter(({ outcome }) => outcome === wanted).length;

test('when a CA wants all renewed at once, two managers renew each once, most urgent first, within its limits', {
  tags: 'full',
}, async () => {
  const each = sized({ small: 20, full: 100 });
  const { server, run, names } = await startMassRenewal({ each, parallelOrders: 4 });
  const since = server.requests.length;
  const order: string[] = [];
  server.on('order', (made) => void order.push(...made.names));
  const outcomes = (await Promise.all(['one', 'two'].map((holder) => run(holder, renewAll)))).flat();
  expect(countOf(outcomes, 'renewed')).toBe(3 * each);
  expect(order.toSorted()).toEqual(Object.values(names).flat().toSorted());
  expect(server.certificates()).toHaveLength(6 * each);
  expect(server.requests.filter(({ resource, status }) => resource === 'newAccount' && status === 201)).toHaveLength(1);
  expect(server.requests.slice(since).filter(({ status }) => status === 429 || status === 503)).toEqual([]);
  // Orders that are under way together, eight at most, overtake each other.
  const [lapsed, emergency, rest] = [names.lapsed, names.emergency, names['window-over']].map((group) =>
    group.map((name) => order.indexOf(name)),
  ) as [number[], number[], number[]];
  expect(Math.max(...lapsed)).toBeLessThan(each * 1.5);
  expect(Math.max(...emergency)).toBeLessThan(each * 2.5);
  expect(Math.min(...rest)).toBeGreaterThan(each * 1.5);
});

test('what another manager renewed before its turn came is left alone', async () => {
  const { server, run } = await startMassRenewal({ each: 2, parallelOrders: 1 });
  const begun = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const slow = {
    ...idle,
    present() {
      begun.resolve();
      return goOn.promise;
    },
  };
  const late = run('late', (manager) => manager.runOnce({ signal: never }), slow);
  await begun.promise;
  const quick = await run('quick', renewAll);
  expect(countOf(quick, 'renewed')).toBe(5);
  goOn.resolve();
  const { outcomes } = await late;
  expect([countOf(outcomes, 'renewed'), countOf(outcomes, 'no-longer-due')]).toEqual([1, 5]);
  expect(server.certificates()).toHaveLength(12);
});

test('an outage in the middle puts the run off, costs no certificate its patience, and no order is made twice', async () => {
  const { server, run } = await startMassRenewal({ each: 10, parallelOrders: 4 });
  const made = server.orderCount;
  let orders = 0;
  server.on('order', () => {
    orders += 1;
    if (orders === 10) server.faults.inject({ kind: 'status', status: 503 }, { times: Number.POSITIVE_INFINITY });
  });
  await run('one', async (manager) => {
    const outcomes = (await manager.runOnce({ signal: never })).outcomes;
    expect(countOf(outcomes, 'postponed')).toBeGreaterThan(10);
    const before = server.requests.length;
    expect((await manager.runOnce({ signal: never })).outcomes.every(({ outcome }) => outcome !== 'renewed')).toBe(
      true,
    );
    expect(server.requests.length - before).toBeLessThan(5);
    const attempts = [...manager.state.all()].map(({ failure }) => failure?.attempt ?? 1);
    expect(Math.max(...attempts)).toBe(1);
  });
  server.faults.clear();
  server.clock.advance(1_000_000);
  await run('two', renewAll);
  expect(server.certificates()).toHaveLength(60);
  expect(server.orderCount - made).toBe(30);
});

test('new names of which the CA takes no more hold no renewal up, and are not tried one by one', async () => {
  const newOrders = { capacity: 9, periodMs: 9_000 * 3_600_000 };
  const { server, run } = await startMassRenewal({ each: 3, newOrders });
  await run('one', async (manager) => {
    const names = Array.from({ length: 8 }, (_, index) => `new${index}.test`);
    for (const name of names) await manager.issue({ names: [name] }, { signal: never }).catch(() => {});
    const attempts = () => [...manager.state.all()].map(({ failure }) => failure?.attempt ?? 1);
    const made = server.orderCount;
    const at = new Date(server.clock.now().getTime() + 2_000 * 3_600_000);
    const outcomes = (await manager.runOnce({ signal: never, at })).outcomes;
    expect(countOf(outcomes, 'renewed')).toBe(9);
    expect(countOf(outcomes, 'postponed')).toBeGreaterThan(countOf(outcomes, 'failed'));
    expect(server.orderCount - made).toBe(9);
    expect(Math.max(...attempts())).toBe(1);
  });
  expect(server.requests.filter(({ status }) => status === 429).length).toBeLessThan(5);
});
