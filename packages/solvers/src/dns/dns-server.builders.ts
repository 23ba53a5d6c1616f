import { createSocket } from 'node:dgram';
import { type Answer, decode, encode } from 'dns-packet';

/** Records that a test sets; whatever the host under test publishes is asked for through `txt`. */
export interface ServedRecords {
  /** Apexes; each has SOA and NS records, and a name server `ns1` on loopback. */
  readonly zones: readonly string[];
  readonly aliases?: ReadonlyMap<string, string>;
  readonly txt?: (name: string) => readonly string[];
}

/** A name server on loopback that is authoritative for a few zones, and refuses all other names. */
export interface DnsServer {
  /** `ADDRESS:PORT`. */
  readonly address: string;
  readonly port: number;
  stop(): Promise<void>;
}

const REFUSED = 5;
const AUTHORITATIVE = 0x0400;

/** The nearest zone upwards. */
export function zoneOf(zones: readonly string[], name: string): string | undefined {
  const fitting = zones.filter((zone) => name === zone || name.endsWith(`.${zone}`));
  return fitting.toSorted((one, other) => other.length - one.length)[0];
}

function answersTo({ zones, aliases, txt }: ServedRecords, name: string, type: string): Answer[] {
  const target = aliases?.get(name);
  if (target !== undefined) return [{ name, type: 'CNAME', ttl: 0, data: target }];
  const isApex = zones.includes(name);
  if (type === 'TXT') return (txt?.(name) ?? []).map((data) => ({ name, type: 'TXT', ttl: 0, data }));
  if (type === 'NS' && isApex) return [{ name, type: 'NS', ttl: 0, data: `ns1.${name}` }];
  if (type === 'A' && zones.some((zone) => name === `ns1.${zone}`))
    return [{ name, type: 'A', ttl: 0, data: '127.0.0.1' }];
  if (type !== 'SOA' || !isApex) return [];
  const data = { mname: `ns1.${name}`, rname: `admin.${name}`, serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 0 };
  return [{ name, type: 'SOA', ttl: 0, data }];
}

/** Starts one, by UDP. */
export async function startDnsServer(records: ServedRecords): Promise<DnsServer> {
  const socket = createSocket('udp4');
  socket.on('message', (message, peer) => {
    const { id, questions = [] } = decode(message);
    const [{ name: asked, type } = { name: '', type: '' }] = questions;
    const name = asked.toLowerCase();
    const isOurs = zoneOf(records.zones, name) !== undefined;
    const answers = isOurs ? answersTo(records, name, type) : [];
    const flags = isOurs ? AUTHORITATIVE : REFUSED;
    socket.send(encode({ type: 'response', id: id ?? 0, flags, questions, answers }), peer.port, peer.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  return {
    address: `127.0.0.1:${port}`,
    port,
    stop: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}
