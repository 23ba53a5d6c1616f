/** Serves a service's own pages over HTTP, to its neighbours on the machine and to a monitor. */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What is shown on `/metrics`, such as a `Registry` of prom-client. */
export interface MetricsPage {
  readonly contentType: string;
  metrics(): Promise<string>;
}

/** Where pages are. */
export interface PagesOptions {
  /** Port; 0 for any. */
  readonly port: number;
  /** Address to listen on; default `127.0.0.1`. Who can reach it can read the pages. */
  readonly host?: string;
  /** What `/metrics` shows; default none, and it is not found. */
  readonly metrics?: MetricsPage;
}

/** A report on how a service stands. */
export interface HealthReport {
  /** Whether it can do its work: status 200, else 503. */
  readonly ready: boolean;
  /** What is shown, as JSON. */
  readonly report: object;
}

/** Pages that are served. */
export interface Pages {
  readonly port: number;
  /** Where they are, such as `http://[::1]:9780`. */
  readonly url: string;
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

function healthPage({ ready, report }: HealthReport): Page {
  return { status: ready ? 200 : 503, contentType: 'application/json', body: `${JSON.stringify(report)}\n` };
}

async function pageFor(path: string, health: () => HealthReport, metrics: MetricsPage | undefined): Promise<Page> {
  if (path === '/healthz') return healthPage(health());
  if (path !== '/metrics' || !metrics) return text(404, 'not found');
  return { status: 200, contentType: metrics.contentType, body: await metrics.metrics() };
}

/**
 * Serves two pages: `/healthz`, a report as JSON, with status 200 where it is ready and 503 otherwise; and `/metrics`. For GET and HEAD. The
 * server does not keep a process alive. Rejects with the error of `listen`, such as `EADDRINUSE`.
 */
export async function openPages(
  health: () => HealthReport,
  { port, host = '127.0.0.1', metrics }: PagesOptions,
): Promise<Pages> {
  async function answer({ method, url = '' }: IncomingMessage, response: ServerResponse): Promise<void> {
    const isRead = method === 'GET' || method === 'HEAD';
    const [path = ''] = url.split('?');
    const page = isRead
      ? await pageFor(path, health, metrics).catch(() => text(500, 'the page could not be made'))
      : text(405, 'only GET and HEAD are answered');
    response.writeHead(page.status, {
      'content-type': page.contentType,
      'content-length': Buffer.byteLength(page.body),
      'cache-control': 'no-store',
    });
    response.end(method === 'HEAD' ? undefined : page.body);
  }
  // An import would load undici with it, also where no page is served.
  const { createServer } = process.getBuiltinModule('node:http');
  const server = createServer((request, response) => void answer(request, response)).unref();
  await once(server.listen(port, host), 'listening');
  const { port: taken } = server.address() as AddressInfo;
  return {
    port: taken,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${taken}`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
