/** Waits until every authoritative name server shows every value. */
import { AcmeError } from '@certbus/acme';
import { mapFew } from '@certbus/acme/solver-kit';
import type { Lookups } from './lookups.ts';
import type { DnsOptions } from './options.ts';
import { sleep } from './sleep.ts';

/** TXT values that a CA shall find at a name. */
export interface ExpectedValues {
  readonly zone: string;
  readonly name: string;
  readonly values: readonly string[];
}

/** A CA refuses DNS answers that grow large, long before a host would. */
export const MAX_VALUES = 20;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 4000;

/** Too many values under one name, in words for people. */
export function tooManyValues(name: string, count: number): AcmeError {
  const message = `The TXT record ${name} has ${count} values, more than CAs accept. Remove what old orders left there.`;
  return new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
}

const withPort = (address: string, port: number) =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

/** Far more than any zone has. Whoever delegates it decides where questions go, and must not make a flood of them. */
const MAX_SERVERS = 64;

function tooManyServers(zone: string, count: number): AcmeError {
  const message = `The zone ${zone} has ${count} name servers in DNS, more than ${MAX_SERVERS}. Check its delegation.`;
  return new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
}

/** Every address of every name server of a zone. Rejects with `CERTBUS_ACME_SOLVER_FAILED` for more than 64 of them. */
export async function serversOf(
  zone: string,
  { nameServers, addresses }: Pick<Lookups, 'nameServers' | 'addresses'>,
  port = 53,
): Promise<string[]> {
  const hosts = await nameServers(zone);
  if (hosts.length > MAX_SERVERS) throw tooManyServers(zone, hosts.length);
  const found = (await Promise.all(hosts.map(addresses))).flat();
  if (found.length > MAX_SERVERS) throw tooManyServers(zone, found.length);
  return found.map((address) => withPort(address, port));
}

/** What one server lacks of what it should show; `undefined` where it lacks nothing. */
async function lackAt(server: string, { name, values }: ExpectedValues, { txt }: Lookups): Promise<string | undefined> {
  const shown = await txt(name, server);
  if (shown.values.length > MAX_VALUES) throw tooManyValues(name, shown.values.length);
  if (values.every((value) => shown.values.includes(value))) return undefined;
  return shown.trouble ? `${server} does not answer for it (${shown.trouble})` : `${server} does not show it`;
}

/** What to do while values are not visible yet. */
export interface Waiting<T extends ExpectedValues> {
  readonly lookups: Lookups;
  readonly signal: AbortSignal;
  /** Called before each further look, with what is not shown everywhere. */
  readonly mend?: ((missing: readonly T[]) => Promise<void>) | undefined;
}

/**
 * Waits until every authoritative server shows every value. Never asks a recursive resolver for a value, which would remember its
 * absence. Rejects with `CERTBUS_ACME_SOLVER_FAILED` when time is up, or where a name has too many values.
 */
export async function awaitVisible<T extends ExpectedValues>(
  expected: readonly T[],
  { nameServers, nameServerPort, visibleWithinMs = 120_000 }: DnsOptions,
  { lookups, signal, mend }: Waiting<T>,
): Promise<void> {
  if (nameServers === false) return;
  const deadline = performance.now() + visibleWithinMs;
  let missing = expected;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    const verdicts = await mapFew(missing, async (each) => {
      const servers = nameServers ?? (await serversOf(each.zone, lookups, nameServerPort));
      const lacks = await Promise.all(servers.map((server) => lackAt(server, each, lookups)));
      const none = servers.length === 0 ? `the zone ${each.zone} has no name server in DNS` : undefined;
      return { each, lack: none ?? lacks.find((lack) => lack !== undefined) };
    });
    const behind = verdicts.filter(({ lack }) => lack !== undefined);
    const [first] = behind;
    if (!first) return;
    if (performance.now() + waitMs > deadline) {
      const message = `The TXT value of ${first.each.name} is not visible: ${first.lack}. Is ${first.each.zone} the zone that the domain is delegated to, and do its servers get changes?`;
      throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
    }
    missing = behind.map(({ each }) => each);
    await sleep(waitMs, signal);
    await mend?.(missing);
  }
}
