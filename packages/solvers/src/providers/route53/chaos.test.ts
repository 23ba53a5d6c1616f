import { Resolver } from 'node:dns/promises';
import type { Route53FakeOptions } from '@certbus/acme-server/route53';
import { startJumpClock } from 'certbus-services';
import { expect, test } from 'vitest';
import { challengeFor, recordOf, setUp } from './solver.builders.ts';

const { signal } = new AbortController();
const NAMES = ['example.test', 'a.example.test', 'b.example.test', 'sub.example.test', 'x.sub.example.test'];
const MANAGERS = 3;
const JOBS = 6;

/** A die that falls the same way for the same seed. */
function createDie(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

test.each([1, 2, 3])('whatever goes wrong at Route 53, no value is lost and none is left (seed %i)', async (seed) => {
  const roll = createDie(seed);
  const clock = startJumpClock();
  const rivals: string[] = [];
  const onRequest: Route53FakeOptions['onRequest'] = ({ action }) => {
    if (action === 'ChangeResourceRecordSets' && roll(6) === 0) {
      const name = recordOf(NAMES[roll(3)] ?? '');
      const value = `"rival-${rivals.length}"`;
      const zone = fake.zone('Z1');
      // At most a few, for the record must not become too full.
      if (rivals.length < 4) {
        zone.put(name, 'TXT', [...zone.txt(name), value]);
        rivals.push(value);
      }
    }
    const fate = roll(12);
    if (fate === 0) return { status: 400, code: 'Throttling', message: 'Rate exceeded' };
    if (fate === 1) return { status: 500, code: 'InternalFailure', message: 'oops' };
    if (fate === 2) return { lose: 'request' };
    if (fate === 3) return { lose: 'answer' };
    return undefined;
  };
  const zones = [
    { id: 'Z1', name: 'example.test' },
    { id: 'Z2', name: 'sub.example.test' },
  ];
  const { fake, manager } = await setUp(zones, { applyMs: 400, inSyncMs: 5000, now: clock.now, onRequest });
  const resolver = new Resolver({ timeout: 20_000, tries: 3 });
  resolver.setServers([fake.dns]);

  async function runJob(solver: ReturnType<typeof manager>): Promise<void> {
    const mine = Array.from({ length: 1 + roll(3) }, () => challengeFor(NAMES[roll(NAMES.length)] ?? ''));
    await clock.sleep(roll(8000), { signal });
    const stop = new AbortController();
    const isImpatient = roll(5) === 0;
    if (isImpatient) void clock.sleep(roll(2000), { signal }).then(() => stop.abort(new Error('enough')));
    try {
      await solver.present(mine, { signal: isImpatient ? stop.signal : signal });
      await solver.ready(mine, { signal: isImpatient ? stop.signal : signal });
      for (const { dnsName, dnsValue } of mine) {
        const shown = (await resolver.resolveTxt(dnsName)).map((chunks) => chunks.join(''));
        expect(shown).toContain(dnsValue);
        const { txt } = fake.zone(dnsName.endsWith('sub.example.test') ? 'Z2' : 'Z1');
        expect(txt(dnsName)).toContain(`"${dnsValue}"`);
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    } finally {
      await solver.cleanUp(mine, { signal });
    }
  }

  const managers = Array.from({ length: MANAGERS }, () => manager(clock));
  await Promise.all(managers.flatMap((solver) => Array.from({ length: JOBS }, () => runJob(solver))));
  const left = NAMES.flatMap((name) => [
    ...fake.zone('Z1').txt(recordOf(name)),
    ...fake.zone('Z2').txt(recordOf(name)),
  ]);
  expect(left.toSorted()).toEqual(rivals.toSorted());
});
