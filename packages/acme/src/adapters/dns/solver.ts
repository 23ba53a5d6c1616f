import type { PresentedChallenge, Solver } from '../../solver.ts';
import { effectiveName } from './effective-name.ts';
import { canonical, type Lookups, openLookups, rememberLookups } from './lookups.ts';
import type { DnsOptions } from './options.ts';
import { inTurn } from './turns.ts';
import { awaitVisible, type ExpectedValues } from './visible.ts';

/** Values at names of one zone. */
export interface ZoneValues {
  readonly zone: string;
  readonly sets: readonly { readonly name: string; readonly values: readonly string[] }[];
}

/** Port: a DNS host. Names are effective, lower case and without a final dot. Everything MUST stop soon after the signal aborts. */
export interface DnsHost {
  /** Tells hosts apart: changes of one name at one host are made one after another in this process. */
  readonly id: string;
  /** The zone of a name. MUST reject with `CERTBUS_ACME_ZONE_NOT_FOUND` where there is none. */
  zoneOf(name: string, options: { readonly lookups: Lookups; readonly signal: AbortSignal }): Promise<string>;
  /** Adds values. MUST leave others at the same names alone, and MUST succeed where they are there. */
  add(values: ZoneValues, signal: AbortSignal): Promise<void>;
  /** Takes values away. MUST leave others at the same names alone, and MUST succeed where they are not there. */
  remove(values: ZoneValues, signal: AbortSignal): Promise<void>;
  /** Adds again what got lost; only for a host that cannot add a value without writing the whole set. */
  readonly mend?: (values: ZoneValues, signal: AbortSignal) => Promise<void>;
}

function byZone(expected: readonly ExpectedValues[]): ZoneValues[] {
  return [...Map.groupBy(expected, ({ zone }) => zone)].map(([zone, sets]) => ({ zone, sets }));
}

/**
 * A solver for dns-01 at a host: aliases are followed, values are grouped by zone and name, changes of a name are made one after
 * another, and it is ready when every authoritative server shows every value.
 */
export function createDnsSolver(host: DnsHost, options: DnsOptions): Solver {
  const open = (signal: AbortSignal) => rememberLookups(openLookups({ servers: options.resolver, signal }));

  async function locate(
    challenges: readonly PresentedChallenge[],
    lookups: Lookups,
    signal: AbortSignal,
  ): Promise<ExpectedValues[]> {
    const byName = new Map<string, string[]>();
    for (const { dnsName, dnsValue } of challenges) {
      const name = await effectiveName(canonical(dnsName), lookups);
      byName.set(name, [...new Set([...(byName.get(name) ?? []), dnsValue])]);
    }
    const expected: ExpectedValues[] = [];
    for (const [name, values] of byName) {
      expected.push({ zone: await host.zoneOf(name, { lookups, signal }), name, values });
    }
    return expected;
  }

  async function change(
    expected: readonly ExpectedValues[],
    signal: AbortSignal,
    act: (values: ZoneValues) => Promise<void>,
  ): Promise<void> {
    const keys = expected.map(({ zone, name }) => `${host.id} ${zone} ${name}`);
    await inTurn(keys, signal, async () => {
      for (const values of byZone(expected)) await act(values);
    });
  }

  return {
    challenges: ['dns-01'],
    async present(challenges, { signal }) {
      signal.throwIfAborted();
      const expected = await locate(challenges, open(signal), signal);
      await change(expected, signal, (values) => host.add(values, signal));
    },
    async ready(challenges, { signal }) {
      signal.throwIfAborted();
      const lookups = open(signal);
      const expected = await locate(challenges, lookups, signal);
      const { mend } = host;
      await awaitVisible(expected, options, {
        lookups,
        signal,
        mend: mend && ((missing) => change(missing, signal, (values) => mend(values, signal))),
      });
    },
    async cleanUp(challenges, { signal }) {
      signal.throwIfAborted();
      const expected = await locate(challenges, open(signal), signal);
      await change(expected, signal, (values) => host.remove(values, signal));
    },
  };
}
