import { BEGINNING } from '@certbus/events/history';
import { follow, type Log, openBus } from '@certbus/store';
import { createMemoryLog } from '@certbus/store/memory';
import { type Benchmark, type Figure, quantile } from './figure.ts';
import { createFleet, createFleetKeys, type FleetKeys } from './fleet.ts';
import { useVirtualTime } from './virtual-time.ts';

const FOLLOWERS = 1_000;
const HOUR_MS = 3_600_000;
const HOURS_A_MONTH = 30 * 24;
/** On-demand read request units of DynamoDB in us-east-1, dollars a million. */
const PRICE = 0.125;
const UNIT_BYTES = 4_096;
/** Of an item beside its bytes: names of its attributes, stream, position. */
const ITEM_BYTES = 30;
/** A million certificates of 45 days, each renewed when a third of its lifetime is left. */
const RENEWALS_A_HOUR = 1_000_000 / (30 * 24);
/** With a long name, renewal information and a leaf of a verbose CA; the fleet's are smaller, so there are more of them. */
const RENEWAL_BYTES = 5_500;

/** A log that counts what DynamoDB would charge for its reads. */
function meter(log: Log): { log: Log; units(): number } {
  let units = 0;
  return {
    units: () => units,
    log: {
      ...log,
      async read(stream, after, options) {
        const page = await log.read(stream, after, options);
        const bytes = page.commits.reduce((sum, commit) => sum + commit.bytes.length + ITEM_BYTES, 0);
        // A read that finds nothing is charged like the smallest one; an eventual one half.
        units += Math.max(1, Math.ceil(bytes / UNIT_BYTES)) * (options?.consistent ? 1 : 0.5);
        return page;
      },
    },
  };
}

/** Commits that say as much as so many renewals, and the two that begin the bus. */
async function writeHistory(keys: FleetKeys, renewals: number) {
  const [, , ...sample] = (await createFleet({ certificates: 10, together: 1, keys })).commits();
  const bytes = sample.reduce((sum, commit) => sum + commit.bytes.length, 0) / 10;
  const certificates = Math.round((renewals * RENEWAL_BYTES) / bytes);
  const [first, second, ...rest] = (await createFleet({ certificates, together: 1, keys })).commits();
  if (!first || !second) throw new TypeError('a bus begins with two commits');
  return { first, second, rest };
}

/** Lets real followers follow for a virtual hour, in which so many certificates are renewed, and prices what they read. */
async function measure(
  figure: string,
  { keys, followers, renewals }: { keys: FleetKeys; followers: number; renewals: number },
): Promise<Figure> {
  const { first, second, rest } = await writeHistory(keys, renewals);
  const memory = createMemoryLog();
  for (const { position, bytes } of [first, second]) await memory.append('s', position - 1, bytes);
  const { checkpoint } = await openBus(memory, 's', keys).read(BEGINNING);
  const stop = new AbortController();
  const time = useVirtualTime();
  try {
    const runs = Array.from({ length: followers }, () => {
      const { log, units } = meter(memory);
      const run = { units, delivered: 0, ended: Promise.resolve() };
      run.ended = (async () => {
        for await (const { commits } of follow(openBus(log, 's', keys), checkpoint, { signal: stop.signal }))
          run.delivered += commits.length;
      })().catch((error: unknown) => {
        if (!stop.signal.aborted) throw error;
      });
      return run;
    });
    for (const [index, { position, bytes }] of rest.entries()) {
      await time.advanceTo((index * HOUR_MS) / rest.length);
      await memory.append('s', position - 1, bytes);
    }
    await time.advanceTo(HOUR_MS);
    const costs = runs.map(({ units }) => (units() * FOLLOWERS * HOURS_A_MONTH * PRICE) / 1e6);
    // Nobody has got its reads for nothing: after a look more everybody has everything.
    await time.advanceTo(HOUR_MS + 20_000);
    stop.abort();
    await Promise.all(runs.map(({ ended }) => ended));
    if (runs.some(({ delivered }) => delivered !== rest.length)) throw new Error('a follower missed a commit');
    const value = costs.reduce((sum, cost) => sum + cost, 0) / followers;
    const [low, high] = [quantile(costs, 0.25), quantile(costs, 0.75)];
    return { figure, value, unit: 'USD a month', low, high, n: followers };
  } finally {
    time.restore();
  }
}

/**
 * `store.fleet.cost`: reads of 1,000 followers with their defaults on DynamoDB, a quiet bus and a busy one. Each polls, reads and
 * verifies for itself; they share the log alone, as they do a table.
 */
export const storeFleetCost: Benchmark = async ({ quick }) => {
  const keys = await createFleetKeys();
  const followers = quick ? 20 : FOLLOWERS;
  return [
    await measure('store.fleet.cost.quiet', { keys, followers, renewals: 0 }),
    await measure('store.fleet.cost.busy', { keys, followers, renewals: quick ? 100 : RENEWALS_A_HOUR }),
  ];
};
