/** Answers DNS queries from hosted zones. */
import { type Answer, AUTHORITATIVE_ANSWER, type Packet, type Question, RECURSION_AVAILABLE } from 'dns-packet';
import { type RecordSets, type StoredSet, setKey, txtStrings } from './records.ts';
import type { ZoneState } from './zone.ts';

/** What the name servers know. */
export interface DnsState {
  readonly zones: readonly ZoneState[];
  /** Name of the server that all zones are delegated to. */
  readonly nameServer: string;
  readonly address: string;
  now(): Date;
}

const MAX_CNAMES = 16;
const NXDOMAIN = 3;
const REFUSED = 5;
const SERVFAIL = 2;

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

/** Records that DNS can carry; types that are not needed here are left out. */
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
  return { answers, authorities: [], rcode: SERVFAIL };
}

/** Answers a query from what is in sync. */
export function answerQuery(state: DnsState, query: Packet): Packet {
  const [question] = query.questions ?? [];
  const { rcode, ...found } = question ? lookUp(state, question) : { answers: [], authorities: [], rcode: REFUSED };
  const flags = AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE | rcode;
  return { type: 'response', id: query.id ?? 0, flags, questions: query.questions ?? [], ...found };
}
