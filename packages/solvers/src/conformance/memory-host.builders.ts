import { setTimeout as wait } from 'node:timers/promises';
import type { Logger, PresentedChallenge, Solver } from '@certbus/acme';
import { AcmeError } from '@certbus/acme';
import type { SolverUnderTest } from './options.ts';

/** A DNS host in memory: zones, aliases, and values that its name servers show a moment after they were written. */
export interface MemoryHost {
  readonly zones: readonly string[];
  readonly aliases: Map<string, string>;
  /** Values by zone and name. */
  readonly written: Map<string, readonly string[]>;
  readonly shown: Map<string, readonly string[]>;
  readonly credential: string;
}

/** The steps that a solver for this host is made of; a mutant changes one. */
export interface Steps {
  readonly host: MemoryHost;
  readonly credential: string;
  readonly isSilent: boolean;
  readonly logger: Logger;
  /** One request to the host. */
  request(signal: AbortSignal): Promise<void>;
  follow(dnsName: string): string;
  zoneOf(name: string): string;
  add(key: string, value: string): Promise<void>;
  remove(key: string, value: string): Promise<void>;
}

const MOMENT_MS = 5;

/** The deepest zone that a name lies in. */
export function deepest(zones: readonly string[], name: string): string | undefined {
  const fitting = zones.filter((zone) => name === zone || name.endsWith(`.${zone}`));
  return fitting.toSorted((one, other) => other.length - one.length)[0];
}

/** Writes a whole set; it is shown a moment later. */
export function write(host: MemoryHost, key: string, values: readonly string[]): void {
  host.written.set(key, values);
  setTimeout(() => host.shown.set(key, host.written.get(key) ?? []), MOMENT_MS);
}

function stepsOf(host: MemoryHost, own: Pick<Steps, 'credential' | 'isSilent' | 'logger'>): Steps {
  const read = (key: string) => host.written.get(key) ?? [];
  return {
    host,
    ...own,
    async request(signal) {
      signal.throwIfAborted();
      if (own.isSilent) {
        const { promise, reject } = Promise.withResolvers<never>();
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        await promise;
      }
      if (own.credential === host.credential) return;
      throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', 'The host refuses the credentials. Correct them.');
    },
    follow(dnsName) {
      let name = dnsName;
      for (let hops = 0; hops < 8; hops += 1) {
        const target = host.aliases.get(name);
        if (!target) return name;
        name = target;
      }
      throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', `The aliases of ${dnsName} lead round and round.`);
    },
    zoneOf(name) {
      const zone = deepest(host.zones, name);
      if (zone) return zone;
      throw new AcmeError('CERTBUS_ACME_ZONE_NOT_FOUND', `The host has no zone for ${name}. Create it.`);
    },
    async add(key, value) {
      write(host, key, [...read(key).filter((other) => other !== value), value]);
    },
    async remove(key, value) {
      write(
        host,
        key,
        read(key).filter((other) => other !== value),
      );
    },
  };
}

/** A sound solver out of its steps. */
export function solverOf(steps: Steps): Solver {
  async function each(
    challenges: readonly PresentedChallenge[],
    signal: AbortSignal,
    act: (key: string, value: string) => Promise<unknown>,
  ): Promise<void> {
    for (const { dnsName, dnsValue } of challenges) {
      await steps.request(signal);
      const name = steps.follow(dnsName);
      await act(`${steps.zoneOf(name)} ${name}`, dnsValue);
    }
  }
  return {
    challenges: ['dns-01'],
    present: (challenges, { signal }) => each(challenges, signal, steps.add),
    cleanUp: (challenges, { signal }) => each(challenges, signal, steps.remove),
    ready: (challenges, { signal }) =>
      each(challenges, signal, async (key, value) => {
        while (!steps.host.shown.get(key)?.includes(value)) {
          await wait(1, undefined, { signal }).catch(() => signal.throwIfAborted());
        }
      }),
  };
}

/** Makes solvers as one process would have them; kept apart for mutants that remember something. */
export type MakeSolver = (steps: Steps) => Solver;

/** A host for one test, with solvers as `make` makes them. */
export function memorySubject(make: MakeSolver, logger: Logger): SolverUnderTest {
  const host: MemoryHost = {
    zones: ['zone.test', 'child.zone.test'],
    aliases: new Map(),
    written: new Map(),
    shown: new Map(),
    credential: crypto.randomUUID(),
  };
  const bad = crypto.randomUUID();
  const open = async (credential: string, { isSilent }: { readonly isSilent: boolean } = { isSilent: false }) =>
    make(stepsOf(host, { credential, isSilent, logger }));
  const keyOf = (name: string) => `${deepest(host.zones, name)} ${name}`;
  return {
    domain: 'a.zone.test',
    childDomain: 'b.child.zone.test',
    strayDomain: 'stray.test',
    secrets: [host.credential, bad],
    open: () => open(host.credential),
    openRefused: () => open(bad),
    openSilent: () => open(host.credential, { isSilent: true }),
    values: async (name) => host.shown.get(keyOf(name)) ?? [],
    async addForeign(name, value) {
      write(host, keyOf(name), [...(host.written.get(keyOf(name)) ?? []), value]);
      await wait(2 * MOMENT_MS);
    },
    async alias(name, target) {
      host.aliases.set(name, target);
    },
    async dispose() {
      await wait(2 * MOMENT_MS);
    },
  };
}
