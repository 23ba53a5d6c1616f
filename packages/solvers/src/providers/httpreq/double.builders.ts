import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isRecord } from '@certbus/acme/solver-kit';
import { type DnsServer, startDnsServer } from '@certbus/acme-server';

/**
 * A double of a server for lego's httpreq, written from lego's documentation, that writes into a real DNS server. In raw mode it makes
 * name and value by itself and follows CNAMEs, as lego's providers do.
 */
export interface HttpReqDouble {
  readonly url: string;
  readonly username: string;
  readonly password: string;
  readonly dns: DnsServer;
  /** Bodies of the requests that were let in, by their action. */
  readonly requests: { readonly action: string; readonly body: Readonly<Record<string, unknown>> }[];
  /** Answers this instead, so many times. */
  failWith(status: number, text: string, times: number): void;
  stop(): Promise<void>;
}

type Fields = Readonly<Record<string, unknown>>;

function follow(dns: DnsServer, name: string): string {
  const [target] = dns.get(name, 'CNAME');
  return target === undefined ? name : follow(dns, target);
}

/** The record that a body is about. */
function recordOf(dns: DnsServer, { fqdn, value, domain, keyAuth }: Fields): { name: string; text: string } {
  if (typeof fqdn === 'string' && typeof value === 'string') return { name: fqdn, text: value };
  const text = createHash('sha256').update(String(keyAuth)).digest('base64url');
  return { name: follow(dns, `_acme-challenge.${String(domain)}`), text };
}

/** Makes a DNS server authoritative for zones: SOA and NS records, and a name server on loopback. */
export async function startZones(zones: readonly string[]): Promise<DnsServer & { readonly port: number }> {
  const dns = await startDnsServer({ defaultAddresses: [] });
  for (const zone of zones) {
    const server = `ns1.${zone}`;
    dns.set(zone, 'SOA', [{ mname: server, rname: `admin.${zone}`, serial: 1, minimum: 0 }]);
    dns.set(zone, 'NS', [server]);
    dns.set(server, 'A', ['127.0.0.1']);
  }
  return { ...dns, port: Number(dns.address.split(':')[1]) };
}

/** Starts the double on loopback. */
export async function startHttpReq(zones: readonly string[]): Promise<HttpReqDouble & { readonly dnsPort: number }> {
  const dns = await startZones(zones);
  const [username, password] = ['certbus', crypto.randomUUID()];
  const expected = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const requests: { action: string; body: Fields }[] = [];
  let failure = { status: 500, text: '', times: 0 };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += chunk;
    const { authorization = '' } = request.headers;
    const action = request.url?.replace('/api/', '') ?? '';
    // Servers have been seen to repeat what they were sent.
    if (authorization !== expected) return void response.writeHead(401).end(`unknown: ${authorization} ${text}`);
    if (failure.times > 0) {
      failure.times -= 1;
      return void response.writeHead(failure.status).end(failure.text);
    }
    const body: unknown = JSON.parse(text);
    if (request.method !== 'POST' || !/^(present|cleanup)$/.test(action) || !isRecord(body)) {
      return void response.writeHead(404).end();
    }
    requests.push({ action, body });
    const record = recordOf(dns, body);
    if (action === 'present') dns.add(record.name, 'TXT', record.text);
    else dns.remove(record.name, 'TXT', record.text);
    response.writeHead(200).end();
  }

  const server = createServer((request, response) => void serve(request, response).catch(() => response.destroy()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`,
    username,
    password,
    dns,
    dnsPort: dns.port,
    requests,
    failWith: (status, text, times) => {
      failure = { status, text, times };
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await dns[Symbol.asyncDispose]();
    },
  };
}
