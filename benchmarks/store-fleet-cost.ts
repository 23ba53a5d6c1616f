import { follow, type Log, openBus } from '@certbus/store';
import { createMemoryLog } from '@certbus/store/memory';
import type { Benchmark, Figure } from './figure.ts';
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

/** Lets real followers follow for a virtual hour, in which so many certificates are renewed, and prices what they read. */
async function measure(
  figure: string,
  { keys, followers, renewals }: { keys: FleetKeys; followers: number; renewals: number },
): Promise<Figure> {
  const fleet = await createFleet({ certificates: Math.round(renewals), together: 1, keys });
  const commits = [...fleet.commits()];
  const [first, second, ...rest] = commits;
  const memory = createMemoryLog();
  for (const commit of [first, second]) if (commit) await memory.append('s', commit.position - 1, commit.bytes);
  const { log, units } = meter(memory);
  const stop = new AbortController();
  const time = useVirtualTime();
  try {
    const bus = openBus(log, 's', keys);
    const { checkpoint } = await openBus(memory, 's', keys).read({
      ...fleet.end,
      position: 0,
      hash: null,
      rootSequence: 0,
      managers: [],
    });
    const delivered: number[] = [];
    const runs = Array.from({ length: followers }, async (_, follower) => {
      delivered[follower] = 0;
      try {
        for await (const batch of follow(bus, checkpoint, { signal: stop.signal }))
          delivered[follower] = (delivered[follower] ?? 0) + batch.commits.length;
      } catch (error) {
        if (!stop.signal.aborted) throw error;
      }
    });
    const step = rest.length > 0 ? HOUR_MS / rest.length : HOUR_MS;
    for (const [index, { position, bytes }] of rest.entries()) {
      await time.advanceTo(index * step);
      await memory.append('s', position - 1, bytes);
    }
    await time.advanceTo(HOUR_MS);
    // One look more, so that nobody has missed anything.
    const hourly = units();
    await time.advanceTo(HOUR_MS + 20_000);
    stop.abort();
    await Promise.all(runs);
    if (delivered.some((count) => count !== rest.length)) throw new Error('a follower missed a commit');
    const value = (((hourly * FOLLOWERS) / followers) * HOURS_A_MONTH * PRICE) / 1e6;
    return { figure, value, unit: 'USD a month', low: value, high: value, n: followers };
  } finally {
    time.restore();
  }
}

/** `store.fleet.cost`: reads of 1,000 followers with their defaults on DynamoDB, a quiet bus and a busy one. */
export const storeFleetCost: Benchmark = async ({ quick }) => {
  const keys = await createFleetKeys();
  const followers = quick ? 2 : 20;
  return [
    await measure('store.fleet.cost.quiet', { keys, followers, renewals: 0 }),
    await measure('store.fleet.cost.busy', { keys, followers, renewals: quick ? 100 : RENEWALS_A_HOUR }),
  ];
};
