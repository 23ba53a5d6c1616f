/** Answers DNS queries from records, or fails as told. */
import { Buffer } from 'node:buffer';
import { type Answer, AUTHORITATIVE_ANSWER, type Packet, type Question, RECURSION_AVAILABLE } from 'dns-packet';
import { type DnsRecords, type DnsType, type DnsValues, plainName } from './records.ts';

/** How a server fails: as resolvers say it, or by silence. */
export type DnsFailure = 'NXDOMAIN' | 'SERVFAIL' | 'REFUSED' | 'silence';

/** What a server answers from. */
export interface AnswerSource {
  readonly records: DnsRecords;
  /** Addresses of every name that has no A record. */
  readonly defaultAddresses: readonly string[];
  readonly failures: ReadonlyMap<string, DnsFailure>;
  /** Values that every name at or below a zone has, whether it is there or not, by zone and type. */
  readonly madeUp: ReadonlyMap<string, ReadonlyMap<DnsType, readonly DnsValues[DnsType][]>>;
}

const RCODE = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;
const TYPES: ReadonlySet<string> = new Set<DnsType>(['A', 'AAAA', 'CAA', 'CNAME', 'NS', 'SOA', 'TXT']);
const TTL_S = 0;
const MAX_CHUNK = 255;
const MAX_ALIASES = 16;

function chunksOf(value: string | readonly string[]): Buffer[] {
  const texts = typeof value === 'string' ? [value] : value;
  return texts.flatMap((text) => {
    const bytes = Buffer.from(text);
    const count = Math.max(1, Math.ceil(bytes.length / MAX_CHUNK));
    return Array.from({ length: count }, (_, index) => bytes.subarray(index * MAX_CHUNK, (index + 1) * MAX_CHUNK));
  });
}

/** A name and those above it. */
function upwards(name: string): string[] {
  const labels = plainName(name).split('.');
  return labels.map((_, depth) => labels.slice(depth).join('.'));
}

/** Whose records a name has: its own, or those of the wildcard that covers it (RFC 4592 §3.3.1). */
function sourceOf(records: DnsRecords, name: string): string {
  if (records.has(name)) return name;
  for (const encloser of upwards(name).slice(1)) {
    if (records.has(`*.${encloser}`)) return `*.${encloser}`;
    if (records.has(encloser)) return name;
  }
  return name;
}

function madeUpAt({ madeUp }: AnswerSource, name: string, type: DnsType): readonly DnsValues[DnsType][] {
  const zone = [...upwards(name), ''].find((each) => madeUp.has(each));
  return (zone === undefined ? undefined : madeUp.get(zone)?.get(type)) ?? [];
}

function answersAt(source: AnswerSource, name: string, type: DnsType): Answer[] {
  const { records, defaultAddresses } = source;
  const at = sourceOf(records, name);
  if (type === 'TXT') {
    return records.get(at, type).map((value) => ({ name, type, ttl: TTL_S, data: chunksOf(value) }));
  }
  const found: readonly unknown[] = records.get(at, type);
  const own = found.length > 0 ? found : madeUpAt(source, name, type);
  const values = own.length === 0 && type === 'A' ? defaultAddresses : own;
  return values.map((data) => ({ name, type, ttl: TTL_S, data }) as Answer);
}

/** Records of a name, with those of whatever it is an alias of in front, as a resolver gives them. */
function resolve(
  source: AnswerSource,
  name: string,
  type: DnsType,
): { readonly answers: Answer[]; readonly end: string } {
  const answers: Answer[] = [];
  let end = name;
  for (let hops = 0; hops < MAX_ALIASES && type !== 'CNAME'; hops += 1) {
    const [target] = source.records.get(sourceOf(source.records, end), 'CNAME');
    if (target === undefined) break;
    answers.push({ name: end, type: 'CNAME', ttl: TTL_S, data: target });
    end = target;
  }
  return { answers: [...answers, ...answersAt(source, end, type)], end };
}

/** The SOA record of the zone that a name is in. */
function authorityOf({ records }: AnswerSource, name: string): Answer[] {
  const zone = upwards(name).find((each) => records.get(each, 'SOA').length > 0);
  return zone === undefined
    ? []
    : records.get(zone, 'SOA').map((data) => ({ name: zone, type: 'SOA', ttl: TTL_S, data }));
}

function respond(query: Packet, rcode: number, records: Pick<Packet, 'answers' | 'authorities'> = {}): Packet {
  return {
    type: 'response',
    id: query.id ?? 0,
    flags: (query.flags ?? 0) | AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE | rcode,
    questions: query.questions ?? [],
    ...records,
  };
}

/** Answers a query; `undefined` for silence. */
export function answerQuery(source: AnswerSource, query: Packet): Packet | undefined {
  const [question] = query.questions ?? [];
  if (!question) return respond(query, RCODE.REFUSED);
  const failure = failureFor(source, question);
  if (failure === 'silence') return undefined;
  if (failure) return respond(query, RCODE[failure]);
  const { name, type } = question;
  const { answers, end } = TYPES.has(type) ? resolve(source, name, type as DnsType) : { answers: [], end: name };
  if (answers.some((answer) => answer.type === type)) return respond(query, RCODE.NOERROR, { answers });
  const exists =
    answers.length > 0 || source.defaultAddresses.length > 0 || source.records.has(sourceOf(source.records, end));
  const authorities = authorityOf(source, end);
  return respond(query, exists ? RCODE.NOERROR : RCODE.NXDOMAIN, { answers, authorities });
}

function failureFor({ failures }: AnswerSource, { name }: Question): DnsFailure | undefined {
  return failures.get(plainName(name));
}
