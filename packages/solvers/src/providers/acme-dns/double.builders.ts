import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AcmeDnsAccount } from './solver.ts';

/**
 * A double of acme-dns, written from its documentation: registration, updates that need 43 characters and the account's headers, and the
 * two last values of a subdomain. acme-dns itself is not to be had from Go's module proxy.
 */
export interface AcmeDnsDouble {
  readonly url: string;
  /** The domain that it serves. */
  readonly domain: string;
  /** Values that its name server shows at a full domain. */
  valuesAt(name: string): readonly string[];
  readonly updates: string[];
  stop(): Promise<void>;
}

interface Row {
  readonly account: AcmeDnsAccount;
  /** The latest first. */
  readonly values: string[];
}

/** Starts the double on loopback. */
export async function startAcmeDns(): Promise<AcmeDnsDouble> {
  const domain = 'auth.test';
  const rows = new Map<string, Row>();
  const updates: string[] = [];

  function register(body: Record<string, unknown>): { status: number; reply: object } {
    const subdomain = crypto.randomUUID();
    const password = Buffer.from(crypto.getRandomValues(new Uint8Array(30))).toString('base64url');
    const account = { fulldomain: `${subdomain}.${domain}`, subdomain, username: crypto.randomUUID(), password };
    rows.set(subdomain, { account, values: [] });
    return { status: 201, reply: { ...account, allowfrom: body['allowfrom'] ?? [] } };
  }

  function update(
    request: IncomingMessage,
    { subdomain, txt }: Record<string, unknown>,
  ): { status: number; reply: object } {
    const row = rows.get(String(subdomain));
    const { 'x-api-user': user, 'x-api-key': key } = request.headers;
    if (!row || row.account.username !== user || row.account.password !== key) {
      return { status: 401, reply: { error: 'forbidden' } };
    }
    if (typeof txt !== 'string' || txt.length !== 43) return { status: 400, reply: { error: 'bad_txt' } };
    updates.push(txt);
    row.values.unshift(txt);
    row.values.splice(2);
    return { status: 200, reply: { txt } };
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += chunk;
    const body = JSON.parse(text || '{}');
    const { status, reply } = request.url === '/register' ? register(body) : update(request, body);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(reply));
  }

  const server = createServer((request, response) => void serve(request, response).catch(() => response.destroy()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    domain,
    valuesAt: (name) => rows.get(name.split('.')[0] ?? '')?.values ?? [],
    updates,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
