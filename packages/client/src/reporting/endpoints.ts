/** Entry: pages over HTTP for the checks of a load balancer in front and for a monitor. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Health } from '../health.ts';

/** What is shown on `/metrics`, such as a `Registry` of prom-client. */
export interface MetricsPage {
  readonly contentType: string;
  metrics(): Promise<string>;
}

/** Where the pages are, and what is on them. */
export interface EndpointsOptions {
  /** Port; 0 for any. */
  readonly port: number;
  /** Address to listen on; default `127.0.0.1`. Who can reach it can read what this server serves and since when. */
  readonly host?: string;
  /** What `/metrics` shows; default none, and it is not found. */
  readonly metrics?: MetricsPage;
}

/** Pages that are served. */
export interface Endpoints {
  readonly port: number;
  /** Ends all connections and stops. */
  close(): Promise<void>;
}

interface Page {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

const TEXT = 'text/plain; charset=utf-8';
const text = (status: number, body: string): Page => ({ status, contentType: TEXT, body: `${body}\n` });

/** The report without what strangers typed. */
function healthPage({ missingNames: _typed, ...health }: Health): Page {
  const body = `${JSON.stringify(health)}\n`;
  return { status: health.ready ? 200 : 503, contentType: 'application/json', body };
}

async function pageFor(path: string, client: Reporting, metrics: MetricsPage | undefined): Promise<Page> {
  if (path === '/healthz') return healthPage(client.health());
  if (path !== '/metrics' || !metrics) return text(404, 'not found');
  return { status: 200, contentType: metrics.contentType, body: await metrics.metrics() };
}

/** What the pages ask, such as what `connect` and `openMaterial` give. */
export interface Reporting {
  health(): Health;
}

/**
 * Serves two pages: `/healthz`, the report as JSON, with status 200 where `ready` is true and 503 otherwise; and `/metrics`. For GET and HEAD. The
 * server does not keep a process alive. Rejects with the error of `listen`, such as `EADDRINUSE`.
 */
export async function openEndpoints(
  client: Reporting,
  { port, host = '127.0.0.1', metrics }: EndpointsOptions,
): Promise<Endpoints> {
  async function answer({ method, url = '' }: IncomingMessage, response: ServerResponse): Promise<void> {
    const isRead = method === 'GET' || method === 'HEAD';
    const [path = ''] = url.split('?');
    const page = isRead
      ? await pageFor(path, client, metrics).catch(() => text(500, 'the page could not be made'))
      : text(405, 'only GET and HEAD are answered');
    response.writeHead(page.status, {
      'content-type': page.contentType,
      'content-length': Buffer.byteLength(page.body),
      'cache-control': 'no-store',
    });
    response.end(method === 'HEAD' ? undefined : page.body);
  }
  const server = createServer((request, response) => void answer(request, response)).unref();
  await once(server.listen(port, host), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
