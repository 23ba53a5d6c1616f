/** The name servers of a zone, and which of them count while they are asked for values. */
import { AcmeError } from '@certbus/acme';
import type { Clock } from '../clock.ts';
import { type Lookups, type ShownValues, UNANSWERED } from './lookups.ts';
import type { DnsOptions } from './options.ts';

/** One address of a name server, or a name server without one. */
export interface NameServer {
  /** What it is called in messages. */
  readonly title: string;
  /** `ADDRESS:PORT`; `undefined` where its host has none. */
  readonly address: string | undefined;
  /** Why its host has no address. */
  readonly trouble?: string;
}

/** Far more than any zone has. Anyone who delegates it decides where questions go, and must not make a flood of them. */
const MAX_SERVERS = 64;

const withPort = (address: string, port: number) =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

function tooManyServers(zone: string, count: number): AcmeError {
  const message = `The zone ${zone} has ${count} name servers in DNS, more than ${MAX_SERVERS}. Check its delegation.`;
  return new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
}

/** The addresses of a host; a host without one is a server that does not answer, and stops nothing but itself. */
async function serversAt(host: string, { addresses }: Pick<Lookups, 'addresses'>, port: number): Promise<NameServer[]> {
  const lost = (trouble: string): NameServer[] => [{ title: host, address: undefined, trouble }];
  try {
    const found = await addresses(host);
    if (found.length === 0) return lost('has no address in DNS');
    return found.map((each) => {
      const address = withPort(each, port);
      return { title: `${host} (${address})`, address };
    });
  } catch (error) {
    if (error instanceof AcmeError) return lost('has an address that cannot be looked up');
    throw error;
  }
}

/** Every address of every name server of a zone. Rejects with `CERTBUS_ACME_SOLVER_FAILED` for more than 64 of them. */
export async function serversOf(
  zone: string,
  lookups: Pick<Lookups, 'nameServers' | 'addresses'>,
  port = 53,
): Promise<NameServer[]> {
  const hosts = await lookups.nameServers(zone);
  if (hosts.length > MAX_SERVERS) throw tooManyServers(zone, hosts.length);
  const found = (await Promise.all(hosts.map((host) => serversAt(host, lookups, port)))).flat();
  if (found.length > MAX_SERVERS) throw tooManyServers(zone, found.length);
  return found;
}

/** The servers to ask for values of a zone: those of the options, or else those that DNS names. Rejects as {@link serversOf}. */
export async function serversToAsk(
  zone: () => Promise<string>,
  { nameServers, nameServerPort }: Pick<DnsOptions, 'nameServers' | 'nameServerPort'>,
  lookups: Lookups,
): Promise<NameServer[]> {
  if (nameServers) return nameServers.map((address) => ({ title: address, address }));
  return serversOf(await zone(), lookups, nameServerPort);
}

/** How long a server may be silent before it is left out, where another one answers. */
const SILENT_MS = 10_000;

/** The server's answer to one question, or why there is none. */
export type Shown = ShownValues & { readonly server: NameServer };

/** What is known of servers while values are waited for. */
export interface Asking {
  /** Asks a server, unless it was silent in this look already. */
  ask(server: NameServer, name: string): Promise<Shown>;
  /** Begins another look at all servers. */
  lookAgain(): void;
  /**
   * The answers that count. A server that does not answer counts not where another one does and it has been silent for ten seconds, or half of the wait, for
   * a CA asks another one as well; it is reported once, by `onSilent`. It counts not at once, and is not reported, where nothing
   * of its family, IPv4 or IPv6, answers and the other family does: then this machine does not speak it. The last one always counts.
   */
  counting(shown: readonly Shown[]): readonly Shown[];
}

const familyOf = ({ address }: NameServer) =>
  address === undefined ? undefined : /^\[|:.*:/.test(address) ? 'IPv6' : 'IPv4';

/** Begins to ask name servers. */
export function beginAsking({
  lookups,
  clock,
  withinMs,
  onSilent,
}: {
  readonly lookups: Pick<Lookups, 'txt'>;
  readonly clock: Clock;
  /** How long the whole wait lasts. */
  readonly withinMs: number;
  readonly onSilent: (server: NameServer, why: string) => void;
}): Asking {
  // A short wait must not end before the silent servers are left out.
  const silentMs = Math.min(SILENT_MS, withinMs / 2);
  const silentSince = new Map<string, number>();
  /** Servers that are left out, and not asked again. */
  const dropped = new Set<string>();
  const families = new Set<string>();
  let silentNow = new Map<string, string>();

  function note({ server, trouble }: Shown, at: number): void {
    const family = familyOf(server);
    if (trouble === undefined) {
      silentSince.delete(server.title);
      if (family) families.add(family);
      return;
    }
    silentNow.set(server.title, trouble);
    if (!silentSince.has(server.title)) silentSince.set(server.title, at);
  }

  function isLeftOut({ server, trouble = '' }: Shown): boolean {
    const family = familyOf(server);
    if (family && families.size > 0 && !families.has(family)) {
      dropped.add(server.title);
      return true;
    }
    if (clock.now().getTime() - (silentSince.get(server.title) ?? Number.POSITIVE_INFINITY) < silentMs) return false;
    if (!dropped.has(server.title)) onSilent(server, trouble);
    dropped.add(server.title);
    return true;
  }

  return {
    lookAgain() {
      silentNow = new Map([...silentNow].filter(([title]) => dropped.has(title)));
    },
    async ask(server, name) {
      const at = clock.now().getTime();
      const known = server.trouble ?? silentNow.get(server.title);
      const values =
        known === undefined ? await lookups.txt(name, server.address ?? '') : { values: [], trouble: known };
      const shown = { ...values, server };
      note(shown, at);
      return shown;
    },
    counting(shown) {
      if (shown.every(({ trouble }) => trouble !== undefined)) return shown;
      return shown.filter((each) => each.trouble === undefined || !isLeftOut(each));
    },
  };
}

/** Why a server says nothing about a name, in words that follow its title. */
export function silenceOf(trouble: string): string {
  if (!/^E[A-Z]+$/.test(trouble)) return trouble;
  return UNANSWERED.test(trouble) ? `does not answer (${trouble})` : `does not answer for it (${trouble})`;
}

/** The warning about a server that is left out. */
export function leftOut(server: NameServer, trouble: string): string {
  return `The name server ${server.title} ${silenceOf(trouble)} and is left out, since others answer. CAs can ask it: repair it, or take it out of the zone's NS records.`;
}
