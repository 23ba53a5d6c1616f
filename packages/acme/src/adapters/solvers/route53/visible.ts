import { AcmeError } from '../../../errors.ts';
import type { Lookups } from './lookups.ts';
import type { Sleep } from './waiting.ts';

/** A TXT value that a CA shall find. */
export interface ExpectedValue {
  readonly name: string;
  readonly value: string;
}

/** Whom to ask. */
export interface VisibilityOptions {
  readonly lookups: Lookups;
  /** Servers, as `ADDRESS:PORT`. Default: the authoritative ones. */
  readonly servers: readonly string[] | undefined;
  /** Port of authoritative servers. */
  readonly port: number;
  readonly sleep: Sleep;
  readonly signal: AbortSignal;
}

const POLL_MS = 3000;
const MAX_POLLS = 40;

/** Looks things up once and remembers what came of it. */
function remembering<T>(look: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const known = new Map<string, Promise<T>>();
  return (key) => {
    const answer = known.get(key) ?? look(key);
    known.set(key, answer);
    return answer;
  };
}

/** Finds the addresses of the servers that are authoritative for names, by climbing to the apex of their zones. */
export function createFindServers(
  { nameServers, addresses }: Pick<Lookups, 'nameServers' | 'addresses'>,
  port: number,
): (name: string) => Promise<string[]> {
  const hostsAt = remembering(nameServers);
  const serversAt = remembering(async (host) =>
    (await addresses(host)).map((address) => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`)),
  );
  return async (name) => {
    const labels = name.split('.');
    for (let from = 0; from < labels.length - 1; from += 1) {
      const hosts = await hostsAt(labels.slice(from).join('.'));
      if (hosts.length > 0) return (await Promise.all(hosts.map(serversAt))).flat();
    }
    return [];
  };
}

async function laggardOf(
  { name, value }: ExpectedValue,
  servers: readonly string[],
  { txt }: Lookups,
): Promise<string | undefined> {
  const shown = await Promise.all(servers.map(async (server) => (await txt(name, server)).includes(value)));
  return servers.find((_, at) => !shown[at]);
}

/**
 * Waits until every server shows every value. Never asks a recursive resolver for a value, which would remember its absence. Rejects
 * with `CERTBUS_ACME_SOLVER_FAILED` after two minutes.
 */
export async function awaitVisible(values: readonly ExpectedValue[], options: VisibilityOptions): Promise<void> {
  const { lookups, servers, port, sleep, signal } = options;
  const findServers = createFindServers(lookups, port);
  let missing: readonly { readonly expected: ExpectedValue; readonly laggard: string | undefined }[] = values.map(
    (expected) => ({ expected, laggard: undefined }),
  );
  for (let polls = 1; ; polls += 1) {
    const verdicts = await Promise.all(
      missing.map(async ({ expected }) => {
        const asked = servers ?? (await findServers(expected.name));
        const laggard = await laggardOf(expected, asked, lookups);
        return { expected, laggard, isShown: asked.length > 0 && laggard === undefined };
      }),
    );
    signal.throwIfAborted();
    missing = verdicts.filter(({ isShown }) => !isShown);
    const [first] = missing;
    if (!first) return;
    if (polls === MAX_POLLS) {
      const where = first.laggard ? `the name server ${first.laggard}` : 'any name server (none was found)';
      const message = `The TXT value of ${first.expected.name} is not shown by ${where}. Is this hosted zone the one that the domain is delegated to?`;
      throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
    }
    await sleep(POLL_MS, { signal });
  }
}
