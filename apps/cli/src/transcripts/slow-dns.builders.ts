/** A DNS host that takes values and shows them late, behind lego's httpreq protocol. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { DnsServer } from '@certbus/acme-server';

/** A DNS host that shows nothing of what it took until it publishes. */
export interface SlowDnsHost extends AsyncDisposable {
  readonly url: string;
  /** The names whose values it has, whether it shows them or not. */
  names(): readonly string[];
  /** Shows what it has, and from now on all that it takes. */
  publish(): void;
}

/** Starts one whose zones a DNS server serves. */
export async function startSlowDnsHost(dns: DnsServer): Promise<SlowDnsHost> {
  const taken = new Map<string, string>();
  let isPublic = false;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += chunk;
    const { fqdn, value } = JSON.parse(body);
    if (request.url === '/present') {
      taken.set(value, fqdn);
      if (isPublic) dns.add(fqdn, 'TXT', value);
    } else {
      taken.delete(value);
      dns.remove(fqdn, 'TXT', value);
    }
    response.end();
  }

  const server = createServer((request, response) => void serve(request, response).catch(() => response.destroy()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    names: () => [...taken.values()],
    publish() {
      isPublic = true;
      for (const [value, name] of taken) dns.add(name, 'TXT', value);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
