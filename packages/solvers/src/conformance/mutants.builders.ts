import { setTimeout as wait } from 'node:timers/promises';
import type { Solver } from '@certbus/acme';
import { AcmeError } from '@certbus/acme';
import { deepest, type MakeSolver, type Steps, solverOf, write } from './memory-host.builders.ts';

/** A fault, and the test of the suite that is there to find it. */
export interface Mutant {
  readonly fault: string;
  readonly foundBy: string;
  readonly make: MakeSolver;
}

const withSteps =
  (change: (steps: Steps) => Partial<Steps>): MakeSolver =>
  (steps) =>
    solverOf({ ...steps, ...change(steps) });

const withSolver =
  (change: (sound: Solver, steps: Steps) => Partial<Solver>): MakeSolver =>
  (steps) => {
    const sound = solverOf(steps);
    return { ...sound, ...change(sound, steps) };
  };

const failed = (message: string) => new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
const never = new AbortController().signal;

/** Faults of solvers that people have written. */
export const mutants: readonly Mutant[] = [
  {
    fault: 'what is presented is never written',
    foundBy: 'shows what was presented, once it says that it is ready',
    make: withSolver(() => ({ async present() {}, async ready() {} })),
  },
  {
    fault: 'only the last value of a name in a call is written',
    foundBy: 'shows the values of a wildcard and its apex together',
    make: withSolver((sound) => {
      const last: Solver['present'] = (challenges, options) =>
        sound.present([...new Map(challenges.map((each) => [each.dnsName, each])).values()], options);
      return { present: last, async ready() {} };
    }),
  },
  {
    fault: 'a value takes the place of what is there',
    foundBy: "shows a second order's value beside the first",
    make: withSteps(({ host }) => ({ add: async (key, value) => write(host, key, [value]) })),
  },
  {
    fault: 'a value that is there is written a second time',
    foundBy: 'presents again what is there already, and shows it beside the other',
    make: withSteps(({ host }) => ({
      add: async (key, value) => write(host, key, [...(host.written.get(key) ?? []), value]),
    })),
  },
  {
    fault: 'it is ready once the first value is there',
    foundBy: 'is not ready before each value is there',
    make: withSolver((sound) => ({ ready: (challenges, options) => sound.ready(challenges.slice(0, 1), options) })),
  },
  {
    fault: 'values that are not its own are swept',
    foundBy: 'leaves the values of others alone',
    make: withSteps(({ host, add }) => ({
      async add(key, value) {
        const own = (host.written.get(key) ?? []).filter((other) => /^[\w-]{43}$/.test(other));
        write(host, key, own);
        await add(key, value);
      },
    })),
  },
  {
    fault: 'cleaning up what is not there fails',
    foundBy: 'cleans up what was never there, and what is there no more',
    make: withSteps(({ host, remove }) => ({
      async remove(key, value) {
        if (!host.written.get(key)?.includes(value)) throw failed('There is no such record.');
        await remove(key, value);
      },
    })),
  },
  {
    fault: 'cleaning up takes the whole record set',
    foundBy: 'takes away what it presented, and no more',
    make: withSteps(({ host }) => ({ remove: async (key) => write(host, key, []) })),
  },
  {
    fault: 'only what this instance remembers is taken away',
    foundBy: 'takes away what another process presented',
    make: (steps) => {
      const own = new Set<string>();
      return solverOf({
        ...steps,
        async add(key, value) {
          own.add(value);
          await steps.add(key, value);
        },
        remove: async (key, value) => (own.has(value) ? steps.remove(key, value) : undefined),
      });
    },
  },
  {
    fault: 'a set is read, and written later',
    foundBy: 'lets several work at one name at once, and loses no value',
    make: withSteps(({ host }) => ({
      async add(key, value) {
        const current = host.written.get(key) ?? [];
        await wait(1);
        write(host, key, [...new Set([...current, value])]);
      },
    })),
  },
  {
    fault: 'a call takes a page of a hundred',
    foundBy: 'presents and takes away the answers of 200 names of a zone',
    make: withSolver((sound) => ({
      present: (challenges, options) => sound.present(challenges.slice(0, 100), options),
      ready: (challenges, options) => sound.ready(challenges.slice(0, 100), options),
    })),
  },
  {
    fault: 'only the first alias is followed',
    foundBy: 'writes where an alias points, through several, also into another zone',
    make: withSteps(({ host }) => ({ follow: (name) => host.aliases.get(name) ?? name })),
  },
  {
    fault: 'the alias of the name itself is followed',
    foundBy: 'writes for a name that is itself an alias of something in another zone',
    make: withSteps(({ host, follow }) => ({
      follow(dnsName) {
        const target = host.aliases.get(dnsName.replace('_acme-challenge.', ''));
        return target === undefined ? follow(dnsName) : `_acme-challenge.${target}`;
      },
    })),
  },
  {
    fault: 'an alias is written once, for the order that came first',
    foundBy: 'keeps apart the values of names that share an alias',
    make: withSteps(({ host, add }) => ({
      add: async (key, value) => (host.written.get(key)?.length ? undefined : add(key, value)),
    })),
  },
  {
    fault: 'aliases that go round are given up on without a word',
    foundBy: 'refuses aliases that lead back to where they began',
    make: withSteps(({ follow }) => ({
      follow(name) {
        try {
          return follow(name);
        } catch {
          return name;
        }
      },
    })),
  },
  {
    fault: 'the zone above a cut is written',
    foundBy: 'writes into the zone that a name is delegated to, not the one above',
    make: withSteps(({ host }) => ({
      zoneOf: (name) => deepest(['zone.test', 'stray.test'], name) ?? host.zones[0] ?? '',
    })),
  },
  {
    fault: 'a name of no zone is like any other failure',
    foundBy: 'says which name lies in no zone of the host',
    make: withSteps(({ zoneOf }) => ({
      zoneOf(name) {
        try {
          return zoneOf(name);
        } catch (cause) {
          throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', String(cause));
        }
      },
    })),
  },
  {
    fault: 'an abort is looked at by nobody who need not wait',
    foundBy: 'an aborted signal rejects each operation with its reason',
    make: withSteps(({ request, isSilent }) => ({ request: (signal) => request(isSilent ? signal : never) })),
  },
  {
    fault: 'an abort is told as a failure of the host',
    foundBy: 'an abort while the host is silent ends each operation within a second, with its timers',
    make: withSteps(({ request }) => ({
      request: (signal) =>
        request(signal).catch((cause: unknown) => {
          throw failed(`The host cannot be reached: ${String(cause)}`);
        }),
    })),
  },
  {
    fault: 'an abort leaves a timer behind',
    foundBy: 'an abort while the host is silent ends each operation within a second, with its timers',
    make: withSteps(({ request }) => ({
      async request(signal) {
        const timer = setTimeout(() => {}, 3000);
        await request(signal);
        clearTimeout(timer);
      },
    })),
  },
  {
    fault: 'refused credentials are nobody’s business',
    foundBy: 'says that the credentials are refused',
    make: withSolver((sound) => ({
      present: (challenges, options) =>
        sound.present(challenges, options).catch((error: unknown) => {
          if (!String(error).includes('credentials')) throw error;
        }),
    })),
  },
  {
    fault: 'the error says the credential',
    foundBy: 'says no secret in any error or line of its log',
    make: withSteps(({ request, credential }) => ({
      request: (signal) =>
        request(signal).catch((cause: unknown) => {
          signal.throwIfAborted();
          throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', 'refused', { cause: { cause, headers: [credential] } });
        }),
    })),
  },
  {
    fault: 'the log says the key authorization',
    foundBy: 'says no secret in any error or line of its log',
    make: withSolver((sound, { logger }) => ({
      async present(challenges, options) {
        logger.debug('presenting', { challenges });
        await sound.present(challenges, options);
      },
    })),
  },
];
