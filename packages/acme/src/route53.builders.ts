import { createSocket } from 'node:dgram';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decode, encode, type Question } from 'dns-packet';

/** A record set as Route 53 keeps it. */
interface StoredSet {
  readonly ttl: number;
  readonly values: readonly string[];
}

/** A hosted zone. */
export interface StoredZone {
  readonly id: string;
  readonly name: string;
  readonly isPrivate?: boolean;
  /** TXT sets by name, without the closing dot. */
  readonly sets: Map<string, StoredSet>;
}

/** What an error says instead of an answer. */
interface AwsError {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

/** A small Route 53: its REST paths, XML both ways, atomic batches with exact DELETE, changes that take a while. */
export interface FakeRoute53 extends AsyncDisposable {
  readonly endpoint: string;
  /** `METHOD operation` of every call. */
  readonly calls: string[];
  /** Answers a call with an error; `undefined` lets it pass. Called before the call has any effect. */
  fail: (call: string, nth: number) => AwsError | undefined;
  /** Called before a batch is applied, as another writer who comes in between. */
  meanwhile: (nth: number) => void;
  /** Whether refused batches are told by a bare `InvalidChangeBatch` document, as they once were. */
  isBare: boolean;
  /** Drops the connection after a batch was applied. */
  dropAnswer: (nth: number) => boolean;
}

const NAMESPACE = 'https://route53.amazonaws.com/doc/2013-04-01/';
const fromXml = (text: string) =>
  text.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
const toXml = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
const element = (xml: string, name: string) => fromXml(new RegExp(`<${name}>([^]*?)</${name}>`).exec(xml)?.[1] ?? '');
const elements = (xml: string, name: string) =>
  [...xml.matchAll(new RegExp(`<${name}>([^]*?)</${name}>`, 'g'))].map((match) => match[1] ?? '');

function setXml(name: string, { ttl, values }: StoredSet): string {
  const records = values.map((value) => `<ResourceRecord><Value>${toXml(value)}</Value></ResourceRecord>`).join('');
  return `<ResourceRecordSet><Name>${name}.</Name><Type>TXT</Type><TTL>${ttl}</TTL><ResourceRecords>${records}</ResourceRecords></ResourceRecordSet>`;
}

/** Applies a batch to a copy, change by change; a string says why the whole batch fails. */
function applyBatch(zone: StoredZone, xml: string): Map<string, StoredSet> | string {
  const sets = new Map(zone.sets);
  for (const change of elements(xml, 'Change')) {
    const name = element(change, 'Name').replace(/\.$/, '');
    const next = { ttl: Number(element(change, 'TTL')), values: elements(change, 'Value').map(fromXml) };
    const current = sets.get(name);
    if (name !== zone.name && !name.endsWith(`.${zone.name}`))
      return `RRSet with DNS name ${name}. is not permitted in zone ${zone.name}.`;
    if (element(change, 'Action') === 'CREATE') {
      if (current) return `Tried to create resource record set [name='${name}.', type='TXT'] but it already exists`;
      sets.set(name, next);
    } else {
      const isExact =
        current?.ttl === next.ttl &&
        JSON.stringify(current.values.toSorted()) === JSON.stringify(next.values.toSorted());
      if (!isExact)
        return `Tried to delete resource record set [name='${name}.', type='TXT'] but the values provided do not match the current values`;
      sets.delete(name);
    }
  }
  return sets;
}

async function readText(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

type Answer = { readonly status: number; readonly body: string };

function errorAnswer({ status, code, message }: AwsError): Answer {
  const body = `<ErrorResponse xmlns="${NAMESPACE}"><Error><Type>Sender</Type><Code>${code}</Code><Message>${toXml(message)}</Message></Error><RequestId>1</RequestId></ErrorResponse>`;
  return { status, body };
}

/** Starts the fake on loopback. A change is PENDING on the first poll and INSYNC afterwards. */
export async function startFakeRoute53(zones: readonly StoredZone[]): Promise<FakeRoute53> {
  const polls = new Map<string, number>();
  let batches = 0;
  const ok = (root: string, inner: string): Answer => ({
    status: 200,
    body: `<${root} xmlns="${NAMESPACE}">${inner}</${root}>`,
  });
  const changeXml = (id: string, status: string) =>
    `<ChangeInfo><Id>/change/${id}</Id><Status>${status}</Status><SubmittedAt>2026-11-23T12:00:00Z</SubmittedAt></ChangeInfo>`;

  function listZones(): Answer {
    const list = zones.map(
      ({ id, name, isPrivate = false }) =>
        `<HostedZone><Id>/hostedzone/${id}</Id><Name>${name}.</Name><CallerReference>x</CallerReference><Config><PrivateZone>${isPrivate}</PrivateZone></Config></HostedZone>`,
    );
    return ok(
      'ListHostedZonesResponse',
      `<HostedZones>${list.join('')}</HostedZones><IsTruncated>false</IsTruncated><MaxItems>100</MaxItems>`,
    );
  }

  function listSets(zone: StoredZone, from: string): Answer {
    const [name, set] =
      [...zone.sets].toSorted(([one], [other]) => one.localeCompare(other)).find(([key]) => key >= from) ?? [];
    const inner = name && set ? setXml(name, set) : '';
    return ok(
      'ListResourceRecordSetsResponse',
      `<ResourceRecordSets>${inner}</ResourceRecordSets><IsTruncated>false</IsTruncated><MaxItems>1</MaxItems>`,
    );
  }

  function change(zone: StoredZone, xml: string): Answer | undefined {
    fake.meanwhile(batches);
    const nth = batches;
    batches += 1;
    const sets = applyBatch(zone, xml);
    if (typeof sets === 'string') {
      if (!fake.isBare) return errorAnswer({ status: 400, code: 'InvalidChangeBatch', message: `[${sets}]` });
      const messages = `<Messages><Message>${toXml(sets)}</Message></Messages>`;
      const body = `<InvalidChangeBatch xmlns="${NAMESPACE}">${messages}<RequestId>1</RequestId></InvalidChangeBatch>`;
      return { status: 400, body };
    }
    zone.sets.clear();
    for (const [name, set] of sets) zone.sets.set(name, set);
    return fake.dropAnswer(nth) ? undefined : ok('ChangeResourceRecordSetsResponse', changeXml(`C${nth}`, 'PENDING'));
  }

  function route(method: string, url: URL, body: string): Answer | undefined {
    const [, , resource, id = '', sub] = url.pathname.split('/');
    const zone = zones.find((each) => each.id === id);
    if (resource === 'change') {
      const count = (polls.get(id) ?? 0) + 1;
      polls.set(id, count);
      return ok('GetChangeResponse', changeXml(id, count > 1 ? 'INSYNC' : 'PENDING'));
    }
    if (resource === 'hostedzone' && id === '') return listZones();
    if (!zone)
      return errorAnswer({ status: 404, code: 'NoSuchHostedZone', message: `No hosted zone found with ID: ${id}` });
    if (sub === 'rrset' && method === 'GET')
      return listSets(zone, (url.searchParams.get('name') ?? '').replace(/\.$/, ''));
    return change(zone, body);
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://fake');
    const method = request.method ?? 'GET';
    const body = await readText(request);
    const call = `${method} ${url.pathname.replace(/^\/2013-04-01\//, '').replace(/\/$/, '')}`;
    const error = fake.fail(call, fake.calls.filter((other) => other === call).length);
    fake.calls.push(call);
    const answer = error ? errorAnswer(error) : route(method, url, body);
    if (!answer) request.socket.destroy();
    else response.writeHead(answer.status, { 'content-type': 'text/xml' }).end(answer.body);
  }

  const server = createServer((request, response) => void serve(request, response).catch(() => response.destroy()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const fake: FakeRoute53 = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls: [],
    fail: () => undefined,
    meanwhile: () => {},
    isBare: false,
    dropAnswer: () => false,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fake;
}

/** Answers of a name server: strings by question. */
export type DnsAnswers = (question: Question) => readonly string[];

/** Starts a DNS server on loopback that answers A, NS and TXT. */
export async function startDns(
  answers: DnsAnswers,
): Promise<AsyncDisposable & { readonly address: string; readonly port: number }> {
  const socket = createSocket('udp4');
  socket.on('message', (message, peer) => {
    const { id, questions = [] } = decode(message);
    const found = questions.flatMap((question) =>
      answers(question).map((text) => {
        const base = { name: question.name, ttl: 0 };
        if (question.type === 'TXT')
          return { ...base, type: 'TXT' as const, data: [text.slice(0, 10), text.slice(10)] };
        return { ...base, type: question.type as 'A', data: text };
      }),
    );
    socket.send(
      encode({ type: 'response', id: id ?? 0, questions, answers: found, flags: 0x0400 }),
      peer.port,
      peer.address,
    );
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  return {
    address: `127.0.0.1:${port}`,
    port,
    [Symbol.asyncDispose]: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}
