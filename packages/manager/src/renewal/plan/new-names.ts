/** Forecasts when new names are done: orders at a CA in virtual time, from what was spent of its limits until now. */
import type { CaLimits } from '@certbus/acme';
import { countsFor } from '../../decide/limits.ts';
import type { ManagerState } from '../../state/state.ts';
import { bucketOf, type VirtualBucket } from './bucket.ts';
import { createLeastFirst } from './queue.ts';

/** How fast a manager works, whatever a CA allows. */
export interface Pace {
  /** Orders that are under way at once, and how long each one takes. */
  readonly parallel: number;
  readonly orderMs: number;
}

/** New certificates that are asked for. */
export type NewNames =
  /** So many, each of a domain of its own that no certificate was issued for. */
  | { readonly certificates: number }
  /** The names of each. */
  | { readonly names: readonly (readonly string[])[] };

/** When new certificates are there. */
export interface NewNamesForecast {
  readonly certificates: number;
  /** When the last one is there. */
  readonly doneAt: Date;
  /** What the last ones wait for: `orders`, `pace`, `requests`, or another limit with its subject. */
  readonly boundBy: string;
  /** How many do not go at once, by what they wait for the longest. */
  readonly waits: Readonly<Record<string, number>>;
}

/** Where new names are ordered. */
export interface NewNamesContext {
  readonly state: Pick<ManagerState, 'spending'>;
  readonly now: Date;
  readonly directory: string;
  readonly limits: CaLimits;
  /** What every order waits for beside the limits of the CA. */
  readonly paces: readonly VirtualBucket[];
  readonly orderMs: number;
}

/** What is ordered one after the other, since it waits for the same buckets. */
interface Group {
  readonly own: readonly VirtualBucket[];
  /** Of its certificates, as they were asked for. */
  readonly numbers: readonly number[];
  taken: number;
}

/** The bucket that an order waits for the longest, at an instant or later. */
function lastOf(buckets: readonly VirtualBucket[], from: number): { readonly at: number; readonly by: string } {
  let last = { at: from, by: '' };
  for (const bucket of buckets) {
    const at = bucket.readyAt(from);
    if (at > last.at || last.by === '') last = { at, by: bucket.name };
  }
  return last;
}

function groupsOf(asked: NewNames, { state, now, directory, limits }: NewNamesContext) {
  const known = new Map<string, VirtualBucket>();
  const bucketsOf = (names: readonly string[]) =>
    countsFor({ names, directory, kind: 'new' }, limits).map((count) => {
      const key = `${count.limit} ${count.subject}`;
      const bucket = known.get(key) ?? bucketOf(state, count, now);
      known.set(key, bucket);
      return bucket;
    });
  const isOwn = (bucket: VirtualBucket) => bucket.name !== 'orders' && bucket.readyAt(now.getTime()) > now.getTime();
  const shared = bucketsOf([]).filter(({ name }) => name === 'orders');
  if ('certificates' in asked) {
    const numbers = Array.from({ length: asked.certificates }, (_, number) => number);
    return { shared, groups: [{ own: [], numbers, taken: 0 }] };
  }
  const groups = new Map<
    string,
    { readonly own: readonly VirtualBucket[]; readonly numbers: number[]; taken: number }
  >();
  for (const [number, names] of asked.names.entries()) {
    // What concerns these names alone, and has room, has it when their turn comes.
    const own = bucketsOf(names).filter((bucket) => bucket.name.startsWith('domains ') || isOwn(bucket));
    const key = own.map(({ name }) => name).join(' ');
    const group = groups.get(key) ?? { own, numbers: [], taken: 0 };
    group.numbers.push(number);
    groups.set(key, group);
  }
  return { shared, groups: [...groups.values()] };
}

/** The groups of what is asked for, those first that can go, in the order in which they were asked for. */
function queueOf(groups: readonly Group[], start: number) {
  const waiting = createLeastFirst<Group>();
  const ready = createLeastFirst<Group>();
  const readyAt = (group: Group) => lastOf(group.own, start).at;
  for (const group of groups) waiting.push(readyAt(group), group);
  return {
    get isEmpty() {
      return waiting.least === Number.POSITIVE_INFINITY && ready.least === Number.POSITIVE_INFINITY;
    },
    /** Takes the next that can go at an instant, or else the first that can go later. */
    take(instant: number): { readonly group: Group; readonly at: number } | undefined {
      for (;;) {
        const at = Math.max(instant, ready.least === Number.POSITIVE_INFINITY ? waiting.least : instant);
        while (waiting.least <= at) {
          const group = waiting.pop();
          if (group) ready.push(group.numbers[group.taken] ?? 0, group);
        }
        const group = ready.pop();
        if (!group) return undefined;
        // Another group has spent of the same bucket meanwhile.
        if (readyAt(group) <= at) return { group, at };
        waiting.push(readyAt(group), group);
      }
    },
    done(group: Group): void {
      group.taken += 1;
      if (group.taken < group.numbers.length) waiting.push(readyAt(group), group);
    },
  };
}

/** Orders everything in virtual time: what can go, in the order in which it was asked for. */
export function forecastNewNames(asked: NewNames, context: NewNamesContext): NewNamesForecast {
  const { now, paces, orderMs } = context;
  const start = now.getTime();
  const { shared, groups } = groupsOf(asked, context);
  const everywhere = [...shared, ...paces];
  const waits: Record<string, number> = {};
  const queue = queueOf(groups, start);
  let [certificates, instant, boundBy] = [0, start, 'pace'];
  while (!queue.isEmpty) {
    const common = lastOf(everywhere, instant);
    const next = queue.take(common.at);
    if (!next) break;
    const { group, at } = next;
    const by = at > common.at ? lastOf(group.own, start).by : common.by;
    for (const bucket of [...everywhere, ...group.own]) bucket.take(at);
    certificates += 1;
    if (at > start) {
      boundBy = by;
      waits[by] = (waits[by] ?? 0) + 1;
    }
    instant = at;
    queue.done(group);
  }
  return { certificates, doneAt: new Date(instant + (certificates > 0 ? orderMs : 0)), boundBy, waits };
}
