import { createSocket, type RemoteInfo } from 'node:dgram';
import { createServer, type Socket } from 'node:net';
import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  type Packet,
  type Question,
  RECURSION_AVAILABLE,
  TRUNCATED_RESPONSE,
} from 'dns-packet';
import { type RecordSets, type StoredSet, setKey, txtStrings } from './route53-records.ts';
import type { ZoneState } from './route53-zone.ts';

/** What the name servers know. */
export interface DnsState {
  readonly zones: readonly ZoneState[];
  /** Name of the server that all zones are delegated to. */
  readonly nameServer: string;
  readonly address: string;
  now(): Date;
}

const PLAIN_UDP_BYTES = 512;
const MAX_CNAMES = 16;
const NXDOMAIN = 3;
const REFUSED = 5;

interface Found {
  readonly answers: Answer[];
  readonly authorities: Answer[];
  readonly rcode: number;
}

const bare = (name: string): string => name.toLowerCase().replace(/\.$/, '');

function soaOf(set: StoredSet): Answer[] {
  return set.values.map((value) => {
    const [mname = '', rname = '', serial, refresh, retry, expire, minimum] = value.split(/\s+/);
    const data = {
      mname: bare(mname),
      rname: bare(rname),
      serial: Number(serial),
      refresh: Number(refresh),
      retry: Number(retry),
      expire: Number(expire),
      minimum: Number(minimum),
    };
    return { type: 'SOA', name: set.name, ttl: set.ttl, data };
  });
}

/** Records that DNS can carry; types that nobody needs here are left out. */
function recordsOf(set: StoredSet, name: string = set.name): Answer[] {
  const { type, ttl, values } = set;
  if (type === 'SOA') return soaOf(set);
  if (type === 'TXT') return values.map((value) => ({ type, name, ttl, data: txtStrings(value) ?? [] }));
  if (type === 'A' || type === 'AAAA') return values.map((data) => ({ type, name, ttl, data }));
  if (type === 'NS' || type === 'CNAME') return values.map((value) => ({ type, name, ttl, data: bare(value) }));
  return [];
}

function zoneOf(zones: readonly ZoneState[], name: string): ZoneState | undefined {
  return zones
    .filter(({ isDelegated, name: zone }) => isDelegated && (name === zone || name.endsWith(`.${zone}`)))
    .toSorted((one, other) => other.name.length - one.name.length)[0];
}

/** NS records by which a part of the zone belongs to other servers. */
function cutOf(sets: RecordSets, zone: string, name: string): StoredSet | undefined {
  const labels = name.split('.');
  const between = labels.map((_, at) => labels.slice(at).join('.')).filter((each) => each.length > zone.length);
  return between.map((each) => sets.get(setKey({ name: each, type: 'NS' }))).findLast((set) => set !== undefined);
}

function lookUp({ zones, nameServer, address, now }: DnsState, question: Question): Found {
  const answers: Answer[] = [];
  let name = bare(question.name);
  for (let steps = 0; steps < MAX_CNAMES; steps += 1) {
    if (name === nameServer) {
      if (question.type === 'A') answers.push({ type: 'A', name, ttl: 60, data: address });
      return { answers, authorities: [], rcode: 0 };
    }
    const zone = zoneOf(zones, name);
    if (!zone) return { answers, authorities: [], rcode: answers.length > 0 ? 0 : REFUSED };
    const sets = zone.served(now());
    const cut = cutOf(sets, zone.name, name);
    if (cut) {
      if (question.type === 'NS' && cut.name === name) answers.push(...recordsOf(cut));
      return { answers, authorities: recordsOf(cut), rcode: 0 };
    }
    const exact = sets.get(setKey({ name, type: question.type }));
    if (exact) return { answers: [...answers, ...recordsOf(exact)], authorities: [], rcode: 0 };
    const alias = sets.get(setKey({ name, type: 'CNAME' }));
    const soa = sets.get(setKey({ name: zone.name, type: 'SOA' }));
    const authorities = soa ? soaOf(soa) : [];
    if (!alias) {
      const exists = [...sets.values()].some((set) => set.name === name || set.name.endsWith(`.${name}`));
      return { answers, authorities, rcode: exists ? 0 : NXDOMAIN };
    }
    answers.push(...recordsOf(alias));
    name = bare(alias.values[0] ?? '');
  }
  return { answers, authorities: [], rcode: 2 };
}

function respond(state: DnsState, query: Packet, maxBytes: number): Buffer {
  const [question] = query.questions ?? [];
  const found = question ? lookUp(state, question) : { answers: [], authorities: [], rcode: 1 };
  const base = { type: 'response' as const, id: query.id ?? 0, questions: query.questions ?? [] };
  const flags = AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE | found.rcode;
  const whole = encode({ ...base, flags, answers: found.answers, authorities: found.authorities });
  return whole.length <= maxBytes ? whole : encode({ ...base, flags: flags | TRUNCATED_RESPONSE });
}

function udpLimit({ additionals = [] }: Packet): number {
  const edns = additionals.find((record) => record.type === 'OPT');
  return Math.max(PLAIN_UDP_BYTES, edns && 'udpPayloadSize' in edns ? edns.udpPayloadSize : 0);
}

function parseQuery(message: Buffer): Packet | undefined {
  try {
    return decode(message);
  } catch {
    return undefined;
  }
}

function serveTcp(state: DnsState, socket: Socket): void {
  let pending = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const end = 2 + pending.readUInt16BE(0);
      const query = parseQuery(pending.subarray(2, end));
      pending = pending.subarray(end);
      if (!query) return void socket.destroy();
      const answer = respond(state, query, 65_535);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(answer.length);
      socket.write(Buffer.concat([length, answer]));
    }
  });
}

/** A DNS server on loopback. */
export interface DnsServer extends AsyncDisposable {
  readonly port: number;
  /** How many questions were asked. */
  readonly questions: number;
}

async function bindBoth(state: DnsState, onQuestion: () => void) {
  const udp = createSocket('udp4');
  udp.on('message', (message: Buffer, peer: RemoteInfo) => {
    const query = parseQuery(message);
    if (!query) return;
    onQuestion();
    udp.send(respond(state, query, udpLimit(query)), peer.port, peer.address);
  });
  const sockets = new Set<Socket>();
  const tcp = createServer((socket) => {
    onQuestion();
    sockets.add(socket.on('close', () => sockets.delete(socket)));
    serveTcp(state, socket);
  });
  await new Promise<void>((resolve, reject) => {
    udp.once('error', reject).bind(0, state.address, resolve);
  });
  const { port } = udp.address();
  try {
    await new Promise<void>((resolve, reject) => {
      tcp.once('error', reject).listen(port, state.address, resolve);
    });
  } catch (error) {
    udp.close();
    throw error;
  }
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    await Promise.all([
      new Promise<void>((resolve) => udp.close(() => resolve())),
      new Promise<void>((resolve) => tcp.close(() => resolve())),
    ]);
  };
  return { port, close };
}

/** Starts a DNS server, UDP and TCP on one port, that answers for the zones from what is in sync. */
export async function startDnsServer(state: DnsState): Promise<DnsServer> {
  let questions = 0;
  let bound: Awaited<ReturnType<typeof bindBoth>> | undefined;
  for (let tries = 1; !bound; tries += 1) {
    try {
      bound = await bindBoth(state, () => {
        questions += 1;
      });
    } catch (error) {
      // The port that UDP got may be taken for TCP.
      if (tries === 10) throw error;
    }
  }
  const { port, close } = bound;
  return {
    port,
    get questions() {
      return questions;
    },
    [Symbol.asyncDispose]: close,
  };
}
