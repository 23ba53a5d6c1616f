/** The management API of the DNS server, as pebble-challtestsrv has it. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isRecord } from '../server/base64url.ts';
import type { DnsFailure } from './answer.ts';
import { type CaaValue, type DnsRecords, plainName } from './records.ts';

/** The part of pebble-challtestsrv's management API that is about DNS. */
export interface DnsManagement {
  readonly url: string;
  close(): Promise<void>;
}

type Change = (host: string, body: Readonly<Record<string, unknown>>) => void;

const MAX_BODY = 1_000_000;

function textOf(value: unknown, what: string): string {
  if (typeof value === 'string') return value;
  throw new TypeError(`${what} must be a string`);
}

function listOf<T>(value: unknown, what: string, read: (each: unknown) => T): T[] {
  if (Array.isArray(value)) return value.map(read);
  throw new TypeError(`${what} must be a list`);
}

function caaOf(value: unknown): CaaValue {
  if (!isRecord(value)) throw new TypeError('a policy must be an object');
  return { tag: textOf(value['tag'], 'tag'), value: textOf(value['value'], 'value') };
}

function changesOf(records: DnsRecords, failures: Map<string, DnsFailure>): Readonly<Record<string, Change>> {
  const addresses = (body: Readonly<Record<string, unknown>>) =>
    listOf(body['addresses'], 'addresses', (each) => textOf(each, 'an address'));
  return {
    'set-txt': (host, { value }) => records.add(host, 'TXT', textOf(value, 'value')),
    'clear-txt': (host) => records.remove(host, 'TXT'),
    'add-a': (host, body) => records.set(host, 'A', addresses(body)),
    'clear-a': (host) => records.remove(host, 'A'),
    'add-aaaa': (host, body) => records.set(host, 'AAAA', addresses(body)),
    'clear-aaaa': (host) => records.remove(host, 'AAAA'),
    'set-cname': (host, { target }) => records.set(host, 'CNAME', [textOf(target, 'target')]),
    'clear-cname': (host) => records.remove(host, 'CNAME'),
    'add-caa': (host, { policies }) => records.set(host, 'CAA', listOf(policies, 'policies', caaOf)),
    'clear-caa': (host) => records.remove(host, 'CAA'),
    'set-servfail': (host) => void failures.set(plainName(host), 'SERVFAIL'),
    'clear-servfail': (host) => void failures.delete(plainName(host)),
  };
}

async function readJson(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > MAX_BODY) throw new TypeError('the body is too large');
  }
  const value: unknown = JSON.parse(text);
  if (!isRecord(value)) throw new TypeError('the body must be an object');
  return value;
}

/** Opens the API on a port of 127.0.0.1. What is malformed is answered with 400 and a reason. */
export async function openDnsManagement(
  records: DnsRecords,
  failures: Map<string, DnsFailure>,
  port: number,
): Promise<DnsManagement> {
  const changes = changesOf(records, failures);

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const name = (request.url ?? '').slice(1);
    const change = Object.hasOwn(changes, name) ? changes[name] : undefined;
    if (request.method !== 'POST' || !change) {
      response.writeHead(404).end();
      return;
    }
    try {
      const body = await readJson(request);
      change(textOf(body['host'], 'host'), body);
      response.writeHead(200).end();
    } catch (error) {
      response.writeHead(400).end(error instanceof Error ? error.message : String(error));
    }
  }

  const server = createServer((request, response) => void serve(request, response));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
