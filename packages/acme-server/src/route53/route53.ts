/** Starts the Route 53 fake. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openDnsSockets } from '../dns/sockets.ts';
import {
  createApi,
  isRoute53Error,
  parseChanges,
  type Route53Action,
  type Route53Answer,
  type Route53Error,
  type Route53Request,
} from './api.ts';
import { answerQuery } from './dns.ts';
import { ROUTE53_LIMITS, type Route53Limits } from './limits.ts';
import { writeXml } from './xml.ts';
import { openZone, type Route53Zone, type Route53ZoneOptions } from './zone.ts';

export type { Route53Action, Route53Error, Route53Request } from './api.ts';
export { type BucketSize, ROUTE53_LIMITS, type Route53Limits } from './limits.ts';
export type { StoredChange, StoredSet } from './records.ts';
export type { Route53Zone, Route53ZoneOptions } from './zone.ts';

/** What happens to a request in place of the right answer. */
export type Route53Fault =
  /** This error, before the request has any effect. */
  | Route53Error
  /** The connection ends: `request` before the request has any effect, `answer` after it had. */
  | { readonly lose: 'request' | 'answer' };

/** How the fake behaves. */
export interface Route53FakeOptions {
  readonly zones: readonly Route53ZoneOptions[];
  /** Default: those of a real account. */
  readonly limits?: Partial<Route53Limits>;
  /** For how long a zone answers `PriorRequestNotComplete` after a batch. Default 0. */
  readonly applyMs?: number;
  /** From a batch to INSYNC, when the name servers show it. Default 0. */
  readonly inSyncMs?: number;
  /** Access keys that are known; others get `InvalidClientTokenId`. Default: all are. */
  readonly accessKeyIds?: readonly string[];
  /** Default: the system's clock. Buckets, busy zones and changes keep its time. */
  readonly now?: () => Date;
  /** Called for each request before it has any effect; what another writer does at that moment can be done here. */
  readonly onRequest?: (request: Route53Request) => Route53Fault | undefined | Promise<Route53Fault | undefined>;
  /** Whether refused batches are told by a bare `InvalidChangeBatch` document, as Route 53 once did. Default false. */
  readonly isBare?: boolean;
}

/** One request and its outcome. */
export interface Route53LogEntry {
  readonly action: Route53Action;
  /** Zone or change that it was about; empty for lists of zones. */
  readonly id: string;
  readonly at: Date;
  /** How many changes it carried. */
  readonly changes: number;
  /** `OK`, an error's code, or `lost`. */
  readonly outcome: string;
}

/** Route 53 on loopback: its API over HTTP with the limits of a real account, and DNS for its zones. */
export interface Route53Fake extends AsyncDisposable {
  readonly endpoint: string;
  /** `ADDRESS:PORT` that answers DNS over UDP and TCP: authoritative, and as a resolver for the names of its zones. */
  readonly dns: string;
  readonly dnsPort: number;
  /** How many DNS questions were asked. */
  readonly dnsQuestions: number;
  readonly requests: readonly Route53LogEntry[];
  /** How many requests of an action there were, or of all, with this outcome where one is given. */
  count(action?: Route53Action, outcome?: string): number;
  /** The zone of an id. Throws `TypeError` where there is none. */
  zone(id: string): Route53Zone;
}

const NAMESPACE = 'https://route53.amazonaws.com/doc/2013-04-01/';
const NAME_SERVER = 'ns-1.route53-fake.test';
const ADDRESS = '127.0.0.1';

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function route(method: string, { pathname }: URL): { action: Route53Action; id: string } | undefined {
  const [, version, resource, id = '', sub] = pathname.split('/');
  if (version !== '2013-04-01') return undefined;
  const what = `${method} ${resource}${id ? '/id' : ''}${sub ? `/${sub}` : ''}`;
  const actions: Readonly<Record<string, Route53Action>> = {
    'GET hostedzone': 'ListHostedZones',
    'GET hostedzonesbyname': 'ListHostedZonesByName',
    'GET hostedzone/id': 'GetHostedZone',
    'GET hostedzone/id/rrset': 'ListResourceRecordSets',
    'POST hostedzone/id/rrset': 'ChangeResourceRecordSets',
    'GET change/id': 'GetChange',
  };
  const action = actions[what];
  return action && { action, id };
}

function credentialFault(authorization: string, known: readonly string[] | undefined): Route53Error | undefined {
  const [, accessKeyId] = /^AWS4-HMAC-SHA256 Credential=([^/]+)\//.exec(authorization) ?? [];
  if (accessKeyId === undefined)
    return { status: 403, code: 'MissingAuthenticationToken', message: 'Missing Authentication Token' };
  if (known && !known.includes(accessKeyId)) {
    const message = 'The security token included in the request is invalid.';
    return { status: 403, code: 'InvalidClientTokenId', message };
  }
  return undefined;
}

function documentOf(
  answer: Route53Answer | Route53Error,
  { isBare = false }: Pick<Route53FakeOptions, 'isBare'>,
): string {
  const head = '<?xml version="1.0" encoding="UTF-8"?>\n';
  if (!isRoute53Error(answer)) {
    return `${head}<${answer.root} xmlns="${NAMESPACE}">${writeXml(answer.content)}</${answer.root}>`;
  }
  const { code, message: Message } = answer;
  if (isBare && code === 'InvalidChangeBatch') {
    const inner = writeXml({ Messages: { Message }, RequestId: '1' });
    return `${head}<InvalidChangeBatch xmlns="${NAMESPACE}">${inner}</InvalidChangeBatch>`;
  }
  const inner = writeXml({ Error: { Type: 'Sender', Code: code, Message }, RequestId: '1' });
  return `${head}<ErrorResponse xmlns="${NAMESPACE}">${inner}</ErrorResponse>`;
}

/** Starts the fake. Dispose of it to end it. */
export async function startRoute53Fake(options: Route53FakeOptions): Promise<Route53Fake> {
  const { now = () => new Date(), applyMs = 0, inSyncMs = 0, accessKeyIds, onRequest } = options;
  const names = options.zones.map(({ name, isPrivate }) => (isPrivate ? '' : name));
  const zones = options.zones.map((zone, at) =>
    openZone(zone, { nameServer: NAME_SERVER, isFirst: names.indexOf(zone.name) === at }),
  );
  const api = createApi({ zones, limits: { ...ROUTE53_LIMITS, ...options.limits }, applyMs, inSyncMs, now });
  const requests: Route53LogEntry[] = [];
  const asked = new Map<Route53Action, number>();

  async function decide(request: Route53Request, fault: Route53Fault | undefined) {
    if (fault && 'code' in fault) return { answer: fault, isLost: false };
    if (fault?.lose === 'request') return { answer: undefined, isLost: true };
    return { answer: api.perform(request), isLost: fault !== undefined };
  }

  async function serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(message.url ?? '/', 'http://route53.test');
    const body = await readText(message);
    const target = route(message.method ?? 'GET', url);
    const send = (answer: Route53Answer | Route53Error) => {
      const status = isRoute53Error(answer) ? answer.status : 200;
      response.writeHead(status, { 'content-type': 'text/xml' }).end(documentOf(answer, options));
    };
    if (!target) return send({ status: 404, code: 'UnknownOperation', message: `${message.method} ${url.pathname}` });
    const { action, id } = target;
    const changes = action === 'ChangeResourceRecordSets' ? parseChanges(body) : [];
    const authorization = message.headers.authorization ?? '';
    const [, accessKeyId = ''] = /Credential=([^/]+)\//.exec(authorization) ?? [];
    const nth = asked.get(action) ?? 0;
    asked.set(action, nth + 1);
    const log = (outcome: string) => requests.push({ action, id, at: now(), changes: changes?.length ?? 0, outcome });
    const refusal =
      credentialFault(authorization, accessKeyIds) ??
      (changes ? undefined : { status: 400, code: 'MalformedXML', message: 'The XML is not a batch of changes.' });
    if (refusal || !changes) {
      log(refusal?.code ?? 'MalformedXML');
      return send(refusal ?? { status: 400, code: 'MalformedXML', message: '' });
    }
    const request: Route53Request = { action, id, query: url.searchParams, changes, accessKeyId, nth };
    const { answer, isLost } = await decide(request, await onRequest?.(request));
    log(isLost || !answer ? 'lost' : isRoute53Error(answer) ? answer.code : 'OK');
    if (isLost || !answer) message.socket.destroy();
    else send(answer);
  }

  let dnsQuestions = 0;
  const dnsState = { zones, nameServer: NAME_SERVER, address: ADDRESS, now };
  const dns = await openDnsSockets((query) => {
    dnsQuestions += 1;
    return answerQuery(dnsState, query);
  }, 0);
  const server = createServer((request, response) => void serve(request, response).catch(() => response.destroy()));
  await new Promise<void>((resolve) => server.listen(0, ADDRESS, resolve));
  return {
    endpoint: `http://${ADDRESS}:${(server.address() as AddressInfo).port}`,
    dns: `${ADDRESS}:${dns.port}`,
    dnsPort: dns.port,
    get dnsQuestions() {
      return dnsQuestions;
    },
    requests,
    count: (action, outcome) =>
      requests.filter((entry) => (!action || entry.action === action) && (!outcome || entry.outcome === outcome))
        .length,
    zone(id) {
      const found = zones.find((zone) => zone.id === id);
      if (!found) throw new TypeError(`The fake has no zone ${id}`);
      return found;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await dns.close();
    },
  };
}
