import { Resolver } from 'node:dns/promises';
import { AcmeError } from '../../../errors.ts';
import type { PresentedChallenge } from '../../../solver.ts';
import type { Sleep } from './call.ts';

const QUERY = { timeout: 3000, tries: 2 } as const;
const POLL_MS = 3000;
const MAX_POLLS = 40;

function askOnly(server: string): Resolver {
  const resolver = new Resolver(QUERY);
  resolver.setServers([server]);
  return resolver;
}

async function nameServersOf(name: string, resolver: Resolver): Promise<string[]> {
  const labels = name.split('.');
  for (let from = 0; from < labels.length - 1; from += 1) {
    const hosts = await resolver.resolveNs(labels.slice(from).join('.')).catch(() => []);
    if (hosts.length > 0) return hosts;
  }
  return [];
}

/** Addresses of the servers that are authoritative for a name, found by climbing to the zone's apex. */
export async function authoritativeServers(name: string, resolver: Resolver = new Resolver(QUERY)): Promise<string[]> {
  const hosts = await nameServersOf(name, resolver);
  const found = await Promise.all(
    hosts.map(async (host) => {
      const addresses = await resolver.resolve4(host).catch(() => []);
      return addresses.length > 0 ? addresses : await resolver.resolve6(host).catch(() => []);
    }),
  );
  return found.flat();
}

async function shows(server: string, { dnsName, dnsValue }: PresentedChallenge): Promise<boolean> {
  // A long value comes in chunks, which together are the value.
  const records = await askOnly(server)
    .resolveTxt(dnsName)
    .catch(() => []);
  return records.some((chunks) => chunks.join('') === dnsValue);
}

/**
 * Waits until every server shows a challenge's value: those given, otherwise the authoritative ones. Never asks a recursive resolver
 * for the value itself, which would remember its absence.
 */
export async function awaitVisible(
  challenge: PresentedChallenge,
  { servers, sleep, signal }: { readonly servers: readonly string[] | undefined; sleep: Sleep; signal: AbortSignal },
): Promise<void> {
  const { dnsName } = challenge;
  const asked = servers ?? (await authoritativeServers(dnsName));
  for (let polls = 1; ; polls += 1) {
    signal.throwIfAborted();
    const verdicts = await Promise.all(
      asked.map(async (server) => ({ server, isRight: await shows(server, challenge) })),
    );
    const wrong = verdicts.find(({ isRight }) => !isRight);
    if (asked.length > 0 && !wrong) return;
    if (polls === MAX_POLLS) {
      const where = wrong ? `the name server ${wrong.server}` : 'any name server (none was found)';
      const message = `The TXT value of ${dnsName} is not shown by ${where}. Is this hosted zone the one that the domain is delegated to?`;
      throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
    }
    await sleep(POLL_MS, { signal });
  }
}
