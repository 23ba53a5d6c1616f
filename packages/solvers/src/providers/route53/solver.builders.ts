import type { PresentedChallenge, Solver } from '@certbus/acme';
import { presentedChallenge } from '@certbus/acme';
import { type Route53Fake, type Route53FakeOptions, startRoute53Fake } from '@certbus/acme-server/route53';
import { onTestFinished } from 'vitest';
import { createRoute53Solver, type Route53Options } from './solver.ts';

/** A dns-01 challenge with a token of its own. */
export function challengeFor(name: string, token: string = crypto.randomUUID()): PresentedChallenge {
  return presentedChallenge(name, { type: 'dns-01', url: '', status: 'pending', token }, 'thumbprint');
}

/** The record of a domain. */
export const recordOf = (name: string): string => `_acme-challenge.${name}`;

/** A challenge's value as Route 53 has it. */
export const quoted = ({ dnsValue }: PresentedChallenge): string => `"${dnsValue}"`;

/** A fake, and solvers that ask only its DNS. */
export interface Scene {
  readonly fake: Route53Fake;
  /** A solver with queue and rates of its own, as another manager has; its waits end at once and are written down. */
  manager(options?: Route53Options): Solver;
  readonly slept: number[];
}

/** Starts the fake for one test. */
export async function setUp(
  zones: Route53FakeOptions['zones'],
  options: Omit<Route53FakeOptions, 'zones'> = {},
): Promise<Scene> {
  const fake = await startRoute53Fake({ zones, ...options });
  onTestFinished(() => fake[Symbol.asyncDispose]());
  const slept: number[] = [];
  return {
    fake,
    slept,
    manager: (own = {}) =>
      createRoute53Solver({
        endpoint: fake.endpoint,
        credentials: { accessKeyId: 'id', secretAccessKey: 'made-up' },
        sleep: async (ms, { signal }) => {
          signal.throwIfAborted();
          slept.push(ms);
        },
        resolver: [fake.dns],
        nameServerPort: fake.dnsPort,
        ...own,
      }),
  };
}
