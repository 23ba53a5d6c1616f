/** A DNS host whose values other programs set by lego's httpreq protocol, for tests. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startDnsServer } from '@certbus/acme-server';
import { onTestFinished } from 'vitest';

/** A host that the CA asks, as settings name it, with the secret apart. */
export interface DnsHost {
  readonly address: string;
  readonly settings: object;
  /** The value of `CERTBUS_SECRET_DNS`, which the settings name. */
  readonly secret: string;
}

/** Starts one for the zone `zone.test`, which takes values from anyone who knows the password. It stops with the test. */
export async function startHttpReq(): Promise<DnsHost & { readonly url: string }> {
  const dns = await startDnsServer({ defaultAddresses: [] });
  dns.set('zone.test', 'SOA', [{ mname: 'ns1.zone.test', rname: 'admin.zone.test' }]);
  const secret = crypto.randomUUID();
  const expected = `Basic ${Buffer.from(`user:${secret}`).toString('base64')}`;
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += chunk;
    const { fqdn, value } = JSON.parse(text);
    if (request.headers.authorization !== expected) return void response.writeHead(401).end();
    if (request.url === '/present') dns.add(fqdn, 'TXT', value);
    else dns.remove(fqdn, 'TXT', value);
    response.end();
  }
  const server = createServer((request, response) => void serve(request, response).catch(() => response.destroy()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await dns[Symbol.asyncDispose]();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const password = { env: 'CERTBUS_SECRET_DNS' };
  return { address: dns.address, secret, url, settings: { provider: 'httpreq', url, username: 'user', password } };
}
