import { startJumpClock } from 'certbus-services';
import { expect, test } from 'vitest';
import { challengeFor, setUp } from './solver.builders.ts';

const { signal } = new AbortController();

test('a thousand names of a zone are presented, in sync and cleaned up in at most sixty calls, and nothing is throttled', async () => {
  const clock = startJumpClock();
  const home = { id: 'Z1', name: 'example.test' };
  const { fake, manager } = await setUp([home], { applyMs: 300, inSyncMs: 35_000, now: clock.now });
  for (let number = 0; number < 500; number += 1) {
    fake.zone('Z1').put(`host${number}.example.test`, 'A', ['192.0.2.1']);
  }
  const solver = manager({ ...clock, random: Math.random });
  const jobs = Array.from({ length: 1000 }, (_, number) => [challengeFor(`n${number}.example.test`)]);
  await Promise.all(
    jobs.map(async (mine, number) => {
      // As orders reach this step: not all in one instant.
      await clock.sleep((number % 10) * 400, { signal });
      await solver.present(mine, { signal });
      await solver.ready(mine, { signal });
    }),
  );
  expect(fake.zone('Z1').size).toBe(1502);
  await Promise.all(jobs.map((mine) => solver.cleanUp(mine, { signal })));
  expect(fake.zone('Z1').size).toBe(502);
  expect(fake.count()).toBeLessThanOrEqual(60);
  expect(fake.count(undefined, 'Throttling')).toBe(0);
  expect(fake.count(undefined, 'InvalidChangeBatch')).toBe(0);
});

test('two hundred orders for a wildcard and its apex at once see both values at every name server', async () => {
  const clock = startJumpClock();
  const { fake, manager } = await setUp([{ id: 'Z1', name: 'example.test' }], { inSyncMs: 20_000, now: clock.now });
  const solver = manager({ ...clock, visibleWithinMs: 1 });
  await Promise.all(
    Array.from({ length: 200 }, async (_, number) => {
      const both = [challengeFor(`n${number}.example.test`), challengeFor(`n${number}.example.test`)];
      await solver.present(both, { signal });
      // With no patience for what is not there at once: in sync is in sync.
      await solver.ready(both, { signal });
      await solver.cleanUp(both, { signal });
    }),
  );
  expect(fake.zone('Z1').size).toBe(2);
  expect(fake.count(undefined, 'Throttling')).toBe(0);
});

test('sixty zones at once stay within the rate of an account', async () => {
  const clock = startJumpClock();
  const zones = Array.from({ length: 60 }, (_, number) => ({ id: `Z${number}`, name: `z${number}.test` }));
  const { fake, manager } = await setUp(zones, { inSyncMs: 35_000, now: clock.now });
  const solver = manager(clock);
  await Promise.all(
    zones.map(async ({ name }) => {
      const mine = [challengeFor(name), challengeFor(name)];
      await solver.present(mine, { signal });
      await solver.ready(mine, { signal });
      await solver.cleanUp(mine, { signal });
    }),
  );
  expect(zones.every(({ id }) => fake.zone(id).size === 2)).toBe(true);
  expect(fake.count(undefined, 'Throttling')).toBe(0);
});

test('two managers that ask for more than an account may slow down, and both get through', async () => {
  const clock = startJumpClock();
  const zones = Array.from({ length: 40 }, (_, number) => ({ id: `Z${number}`, name: `z${number}.test` }));
  const { fake, manager } = await setUp(zones, { now: clock.now, limits: { requests: { burst: 10, perSecond: 5 } } });
  const managers = [manager(clock), manager(clock)];
  await Promise.all(
    managers.flatMap((solver) =>
      zones.map(async ({ name }) => {
        const mine = [challengeFor(name)];
        await solver.present(mine, { signal });
        await solver.cleanUp(mine, { signal });
      }),
    ),
  );
  expect(fake.count(undefined, 'Throttling')).toBeGreaterThan(0);
  expect(zones.every(({ id }) => fake.zone(id).size === 2)).toBe(true);
});
