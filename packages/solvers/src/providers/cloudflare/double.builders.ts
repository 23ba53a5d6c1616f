/** A double of Cloudflare's API, for tests. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { zoneOf } from '../../dns/dns-server.builders.ts';

/** A record as the double keeps it. */
export interface StoredRecord {
  readonly id: string;
  readonly type: string;
  readonly name: string;
  readonly content: string;
}

/**
 * A double of Cloudflare's API v4, written from its documentation: zones by name, DNS records listed by page, created and deleted one
 * by one, its envelope and error numbers, rate limiting. A real account cannot be had by a test.
 */
export interface CloudflareDouble {
  readonly url: string;
  readonly token: string;
  readonly records: StoredRecord[];
  /** `METHOD path` of each call. */
  readonly calls: string[];
  /** Calls from the next one on that are answered with HTTP 429. */
  busyFor: number;
  /** What `Retry-After` says then, in seconds. */
  retryAfterS: number;
  /** Whether the next creations are done, and their answers get lost. */
  lostAnswers: number;
  stop(): Promise<void>;
}

interface Call {
  readonly method: string | undefined;
  readonly url: URL;
  readonly body: Record<string, string>;
  readonly authorization: string | undefined;
}

interface Reply {
  readonly status: number;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

const ok = (result: unknown, about: object = {}): Reply => ({
  status: 200,
  body: { success: true, errors: [], messages: [], result, ...about },
});

const refused = (status: number, code: number, message: string): Reply => ({
  status,
  body: { success: false, errors: [{ code, message }], messages: [], result: null },
});

async function readJson(request: IncomingMessage): Promise<Record<string, string>> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text ? JSON.parse(text) : {};
}

const idOf = (zone: string): string => Buffer.from(zone).toString('hex').padEnd(32, '0').slice(0, 32);

/** What the double answers from. */
interface Account {
  readonly double: CloudflareDouble;
  readonly zones: readonly string[];
  created: number;
}

function list({ double, zones }: Account, zone: string, query: URLSearchParams): Reply {
  const [page, perPage] = [Number(query.get('page') ?? 1), Number(query.get('per_page') ?? 100)];
  const found = double.records.filter(({ name, type }) => {
    const isNamed = !query.has('name.exact') || query.get('name.exact')?.toLowerCase() === name;
    return zoneOf(zones, name) === zone && type === query.get('type') && isNamed;
  });
  const result = found.slice((page - 1) * perPage, page * perPage);
  const total_pages = Math.ceil(found.length / perPage);
  return ok(result, {
    result_info: { page, per_page: perPage, count: result.length, total_count: found.length, total_pages },
  });
}

function create(
  account: Account,
  zone: string,
  { type = '', name = '', content = '', ttl = '' }: Record<string, string>,
): Reply {
  const { records } = account.double;
  if (zoneOf(account.zones, name) !== zone) return refused(400, 9005, 'Content for record is invalid.');
  if (Number(ttl) !== 1 && Number(ttl) < 60)
    return refused(400, 9021, 'Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.');
  const same = records.filter((record) => record.name === name);
  if (same.some((record) => record.type === type && record.content === content)) {
    return refused(400, 81_058, 'An identical record already exists.');
  }
  if (same.some((record) => record.type === 'CNAME')) {
    return refused(400, 81_053, 'An A, AAAA, or CNAME record with that host already exists.');
  }
  account.created += 1;
  const record = { id: account.created.toString(16).padStart(32, '0'), type, name, content };
  records.push(record);
  return ok(record);
}

function remove({ double }: Account, id: string): Reply {
  const at = double.records.findIndex((record) => record.id === id);
  if (at < 0) return refused(404, 81_044, 'Record does not exist.');
  double.records.splice(at, 1);
  return ok({ id });
}

function route(account: Account, { method = '', url, body }: Call): Reply {
  const { zones } = account;
  const [, , , zoneId = '', , recordId] = url.pathname.split('/').slice(1);
  const zone = zones.find((each) => idOf(each) === zoneId);
  if (url.pathname === '/client/v4/zones') {
    const found = zones.filter((each) => each === url.searchParams.get('name'));
    return ok(found.map((name) => ({ id: idOf(name), name, status: 'active' })));
  }
  if (!zone) return refused(404, 7003, 'Could not route to the zone, perhaps your object identifier is invalid?');
  if (method === 'GET') return list(account, zone, url.searchParams);
  return method === 'POST' ? create(account, zone, body) : remove(account, recordId ?? '');
}

function reply(account: Account, call: Call): Reply {
  const { double } = account;
  if (double.busyFor > 0) {
    double.busyFor -= 1;
    const answer = refused(429, 10_100, 'More than 1200 requests per 300 seconds reached.');
    return { ...answer, headers: { 'retry-after': String(double.retryAfterS) } };
  }
  const [scheme, token = ''] = (call.authorization ?? '').split(' ');
  if (scheme !== 'Bearer' || token.length < 20) return refused(400, 6003, 'Invalid request headers');
  if (token !== double.token) return refused(403, 9109, `Invalid access token ${token}`);
  return route(account, call);
}

async function serve(account: Account, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { double } = account;
  const { method, headers: given } = request;
  const url = new URL(request.url ?? '/', 'http://double');
  const body = await readJson(request);
  double.calls.push(`${method} ${url.pathname}`);
  const {
    status,
    body: text,
    headers = {},
  } = reply(account, { method, url, body, authorization: given.authorization });
  if (method === 'POST' && double.lostAnswers > 0) {
    double.lostAnswers -= 1;
    request.socket.destroy();
    return;
  }
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(text));
}

/** Starts the double on loopback. */
export async function startCloudflare(zones: readonly string[]): Promise<CloudflareDouble> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const double: CloudflareDouble = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/client/v4`,
    token: Buffer.from(crypto.getRandomValues(new Uint8Array(20))).toString('hex'),
    records: [],
    calls: [],
    busyFor: 0,
    retryAfterS: 1,
    lostAnswers: 0,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const account: Account = { double, zones, created: 0 };
  server.on('request', (request, response) => {
    void serve(account, request, response).catch(() => response.destroy());
  });
  return double;
}
