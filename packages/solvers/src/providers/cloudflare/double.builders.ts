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

/** Starts the double on loopback. */
export async function startCloudflare(zones: readonly string[]): Promise<CloudflareDouble> {
  const idOf = (zone: string) => Buffer.from(zone).toString('hex').padEnd(32, '0').slice(0, 32);
  let created = 0;

  function list(zone: string, query: URLSearchParams): Reply {
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

  function create(zone: string, { type = '', name = '', content = '', ttl = '' }: Record<string, string>): Reply {
    if (zoneOf(zones, name) !== zone) return refused(400, 9005, 'Content for record is invalid.');
    if (Number(ttl) !== 1 && Number(ttl) < 60)
      return refused(400, 9021, 'Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.');
    const same = double.records.filter((record) => record.name === name);
    if (same.some((record) => record.type === type && record.content === content)) {
      return refused(400, 81_058, 'An identical record already exists.');
    }
    if (same.some((record) => record.type === 'CNAME')) {
      return refused(400, 81_053, 'An A, AAAA, or CNAME record with that host already exists.');
    }
    created += 1;
    const record = { id: created.toString(16).padStart(32, '0'), type, name, content };
    double.records.push(record);
    return ok(record);
  }

  function remove(id: string): Reply {
    const at = double.records.findIndex((record) => record.id === id);
    if (at < 0) return refused(404, 81_044, 'Record does not exist.');
    double.records.splice(at, 1);
    return ok({ id });
  }

  function route(method: string, url: URL, body: Record<string, string>): Reply {
    const [, , , zoneId = '', , recordId] = url.pathname.split('/').slice(1);
    const zone = zones.find((each) => idOf(each) === zoneId);
    if (url.pathname === '/client/v4/zones') {
      const found = zones.filter((each) => each === url.searchParams.get('name'));
      return ok(found.map((name) => ({ id: idOf(name), name, status: 'active' })));
    }
    if (!zone) return refused(404, 7003, 'Could not route to the zone, perhaps your object identifier is invalid?');
    if (method === 'GET') return list(zone, url.searchParams);
    return method === 'POST' ? create(zone, body) : remove(recordId ?? '');
  }

  function reply(request: IncomingMessage, url: URL, body: Record<string, string>): Reply {
    if (double.busyFor > 0) {
      double.busyFor -= 1;
      const answer = refused(429, 10_100, 'More than 1200 requests per 300 seconds reached.');
      return { ...answer, headers: { 'retry-after': String(double.retryAfterS) } };
    }
    const [scheme, token = ''] = (request.headers.authorization ?? '').split(' ');
    if (scheme !== 'Bearer' || token.length < 20) return refused(400, 6003, 'Invalid request headers');
    if (token !== double.token) return refused(403, 9109, `Invalid access token ${token}`);
    return route(request.method ?? '', url, body);
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://double');
    const body = await readJson(request);
    double.calls.push(`${request.method} ${url.pathname}`);
    const { status, body: text, headers = {} } = reply(request, url, body);
    if (request.method === 'POST' && double.lostAnswers > 0) {
      double.lostAnswers -= 1;
      request.socket.destroy();
      return;
    }
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(text));
  }

  const server = createServer((request, response) => void serve(request, response).catch(() => response.destroy()));
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
  return double;
}
