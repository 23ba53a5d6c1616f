/** The part that solvers of DNS hosts share: from challenges to values by zone and name, and the wait until they are visible. */
import type { PresentedChallenge, Solver } from '@certbus/acme';
import { mapFew } from '@certbus/acme/solver-kit';
import { type EffectiveName, effectiveName, howFound, withWay } from './effective-name.ts';
import { createHolders } from './holders.ts';
import { canonical, type Lookups, openLookups, rememberLookups } from './lookups.ts';
import type { DnsOptions } from './options.ts';
import { inTurn } from './turns.ts';
import { awaitVisible, type ExpectedValues } from './visible.ts';

/** Values of one name, and the challenges that they answer; several challenges can have one value. */
export interface NameValues {
  readonly name: string;
  readonly values: readonly string[];
  readonly challenges: readonly PresentedChallenge[];
}

/** Values at names of one zone. */
export interface ZoneValues {
  readonly zone: string;
  readonly sets: readonly NameValues[];
}

/** What an operation has: its questions to DNS, and its signal. */
export interface HostOptions {
  readonly lookups: Lookups;
  readonly signal: AbortSignal;
}

/** Port: a DNS host. Names are effective, lower case and without a final dot. Everything MUST stop soon after the signal aborts. */
export interface DnsHost {
  /** Tells hosts apart: changes of one name at one host are made one after another in this process. */
  readonly id: string;
  /** Begins to find zones, for one operation. What it returns MUST reject with `CERTBUS_ACME_ZONE_NOT_FOUND` where there is none. */
  findZones(options: HostOptions): (name: string) => Promise<string>;
  /** Adds values. MUST leave others at the same names alone, and MUST succeed where they are there. */
  add(values: ZoneValues, options: HostOptions): Promise<void>;
  /** Takes values away. MUST leave others at the same names alone, and MUST succeed where they are not there. */
  remove(values: ZoneValues, options: HostOptions): Promise<void>;
  /** Whether the host can only write whole sets, so that another program's writing may lose one of our values: it is added again. */
  readonly isRacy?: boolean;
  /** Whether the host is told domains and puts `_acme-challenge.` before them itself: then it can answer dns-01 alone. */
  readonly makesNames?: boolean;
}

type Located = ExpectedValues & NameValues & { readonly found: EffectiveName };

/** Of this process, whichever solvers it has: two orders can share an authorization, and so a value. */
const holders = createHolders(() => new Date());

/** The values of each zone, and the way to one of its names that aliases lead to, where there is one. */
function byZone(
  expected: readonly Located[],
): { readonly found: EffectiveName | undefined; readonly values: ZoneValues }[] {
  return [...Map.groupBy(expected, ({ zone }) => zone)].map(([zone, group]) => ({
    found: group.map(({ found }) => found).find((found) => howFound(found) !== undefined),
    values: { zone, sets: group.map(({ found: _, ...set }) => set) },
  }));
}

/** One solver of a host. */
interface HostSolver {
  readonly host: DnsHost;
  readonly options: DnsOptions;
  /** What this solver has presented, by zone and name: only that is mended. */
  readonly presented: Map<string, Set<string>>;
}

function holdingOf({ host }: HostSolver, { dnsName, dnsValue }: PresentedChallenge): string {
  return `${host.id} ${canonical(dnsName)} ${dnsValue}`;
}

function keyOf({ host }: HostSolver, { zone, name }: Pick<ExpectedValues, 'zone' | 'name'>): string {
  return `${host.id} ${zone} ${name}`;
}

async function locate(
  { host, options }: HostSolver,
  challenges: readonly PresentedChallenge[],
  { lookups, signal }: HostOptions,
): Promise<Located[]> {
  const asked = Map.groupBy(challenges, ({ dnsName }) => canonical(dnsName));
  const located = await mapFew([...asked], async ([dnsName, group]) => {
    return { found: await effectiveName(dnsName, lookups, options), group };
  });
  const byName = Map.groupBy(located, ({ found }) => found.name);
  const zoneOf = host.findZones({ lookups, signal });
  return mapFew([...byName], async ([name, groups]) => {
    const { found } = groups.find((each) => each.found.path.length > 1) ??
      groups[0] ?? { found: { name, path: [name] } };
    const own = groups.flatMap(({ group }) => group);
    const values = [...new Set(own.map(({ dnsValue }) => dnsValue))];
    return { zone: await withWay(found, () => zoneOf(name)), name, values, challenges: own, found };
  });
}

async function change(
  solver: HostSolver,
  { action, expected }: { readonly action: 'add' | 'remove'; readonly expected: readonly Located[] },
  how: HostOptions,
): Promise<void> {
  const keys = expected.map((each) => keyOf(solver, each));
  await inTurn(keys, how.signal, async () => {
    for (const { found, values } of byZone(expected)) await withWay(found, () => solver.host[action](values, how));
  });
}

function remember(solver: HostSolver, expected: readonly ExpectedValues[]): void {
  const { presented } = solver;
  for (const each of expected) {
    const known = presented.get(keyOf(solver, each)) ?? [];
    presented.set(keyOf(solver, each), new Set([...known, ...each.values]));
  }
}

function forget(solver: HostSolver, expected: readonly ExpectedValues[]): void {
  const { presented } = solver;
  for (const each of expected) {
    const known = presented.get(keyOf(solver, each));
    for (const value of each.values) known?.delete(value);
    if (known?.size === 0) presented.delete(keyOf(solver, each));
  }
}

/** Adds those of our values again that another program's writing took away. */
async function mend(solver: HostSolver, missing: readonly Located[], how: HostOptions): Promise<void> {
  const isOurs = (each: Located) => (value: string) => solver.presented.get(keyOf(solver, each))?.has(value);
  const expected = missing
    .map((each) => ({ ...each, values: each.values.filter(isOurs(each)) }))
    .filter(({ values }) => values.length > 0);
  await change(solver, { action: 'add', expected }, how);
}

function openHow({ resolver }: DnsOptions, signal: AbortSignal): HostOptions {
  signal.throwIfAborted();
  return { lookups: rememberLookups(openLookups({ servers: resolver, signal })), signal };
}

/**
 * A solver for dns-01 at a host: aliases are followed unless a wildcard makes them, values are grouped by zone and name, changes of a name are made one after
 * another, and it is ready when every authoritative server shows every value.
 */
export function createDnsSolver(host: DnsHost, options: DnsOptions): Solver {
  const solver: HostSolver = { host, options, presented: new Map() };
  return {
    challenges: host.makesNames ? ['dns-01'] : ['dns-01', 'dns-account-01'],
    async present(challenges, { signal }) {
      const how = openHow(options, signal);
      const expected = await locate(solver, challenges, how);
      for (const challenge of challenges) holders.hold(holdingOf(solver, challenge), challenge);
      await change(solver, { action: 'add', expected }, how);
      remember(solver, expected);
    },
    async ready(challenges, { signal, ...watching }) {
      const how = openHow(options, signal);
      const expected = await locate(solver, challenges, how);
      await awaitVisible(expected, options, {
        ...how,
        ...watching,
        mend: host.isRacy ? (missing) => mend(solver, missing, how) : undefined,
      });
    },
    async cleanUp(challenges, { signal }) {
      const how = openHow(options, signal);
      const free = challenges.filter((challenge) => holders.release(holdingOf(solver, challenge), challenge));
      const expected = await locate(solver, free, how);
      forget(solver, expected);
      await change(solver, { action: 'remove', expected }, how);
    },
  };
}
