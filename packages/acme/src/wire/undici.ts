/** Sends requests with undici, over a pool of kept-alive connections. */
import { readFileSync } from 'node:fs';
import { Agent, type Dispatcher, errors, request } from 'undici';
import { type Http, HttpFailure, type HttpFailureKind, type HttpRequest, type HttpResponse } from './http.ts';
import type { Outgoing } from './outgoing.ts';

/** How to reach a CA. */
export interface HttpOptions {
  /** PEM of the only roots to trust; default: those of Node. */
  readonly roots?: string | undefined;
  /** Default: the direct way. */
  readonly outgoing?: Outgoing | undefined;
  /** Bound of one request, from its start to the end of its answer. */
  readonly requestTimeoutMs: number;
}

/** Far above a chain of ten certificates or a list of a hundred authorizations. */
const MAX_ANSWER_BYTES = 1_048_576;
const MAX_CONNECTIONS = 16;

const UNTRUSTED =
  /^(UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|CERT_|ERR_TLS_CERT|HOSTNAME_MISMATCH|INVALID_CA|ERR_SSL_(TLSV1_ALERT|SSL\/TLS_ALERT))/;

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  return 'code' in error ? String(error.code) : '';
}

function kindOf(error: unknown): HttpFailureKind {
  const code = codeOf(error);
  if (UNTRUSTED.test(code)) return 'untrusted';
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_')) return 'not-tls';
  if (error instanceof errors.HTTPParserError) return 'garbage';
  if (error instanceof errors.ResponseExceededMaxSizeError || error instanceof errors.HeadersOverflowError)
    return 'oversize';
  if (code === 'ERR_PROXY_REFUSED') return 'proxy';
  if (code === 'ERR_PROXY_UNREACHABLE') return 'proxy-away';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'unresolved';
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT') return 'timeout';
  return /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL)$/.test(code) ? 'refused' : 'lost';
}

/**
 * One text a header. `Link` is a list by its nature (RFC 8288 §3); of any other header, lines that contradict each other say nothing.
 */
function flatten(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => {
      if (!Array.isArray(value)) return [name, value];
      if (name === 'link') return [name, value.join(', ')];
      return [name, new Set(value).size === 1 ? value[0] : undefined];
    }),
  );
}

function readVersion(): string {
  try {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    return String(version);
  } catch {
    // Bundled into one file, there is no package.json next to it.
    return 'bundled';
  }
}

async function openAgent({ roots, outgoing, requestTimeoutMs }: HttpOptions): Promise<Dispatcher> {
  const options = {
    connect: { timeout: requestTimeoutMs, ...(roots ? { ca: roots } : {}) },
    // One request on one connection at a time: a lost connection is one lost answer.
    allowH2: false,
    pipelining: 1,
    connections: MAX_CONNECTIONS,
    maxResponseSize: MAX_ANSWER_BYTES,
    headersTimeout: requestTimeoutMs,
    bodyTimeout: requestTimeoutMs,
  };
  return outgoing ? outgoing.openDispatcher(options) : new Agent(options);
}

/** Opens the HTTP layer, over a pool of kept-alive connections. */
export async function openHttp(options: HttpOptions): Promise<Http> {
  const { requestTimeoutMs, outgoing } = options;
  const userAgent = `certbus/${readVersion()}`;
  const agent = await openAgent(options);

  async function exchange({ method, url, body, signal }: HttpRequest, limit: AbortSignal): Promise<HttpResponse> {
    const response = await request(url, {
      dispatcher: agent,
      method,
      body: body ?? null,
      headers: { 'user-agent': userAgent, ...(body ? { 'content-type': 'application/jose+json' } : {}) },
      signal: AbortSignal.any([signal, limit]),
    });
    return { status: response.statusCode, headers: flatten(response.headers), text: await response.body.text() };
  }

  return {
    async send(asked) {
      asked.signal.throwIfAborted();
      const limit = new AbortController();
      const timer = setTimeout(() => limit.abort(), requestTimeoutMs);
      try {
        return await exchange(asked, limit.signal);
      } catch (error) {
        asked.signal.throwIfAborted();
        throw new HttpFailure(limit.signal.aborted ? 'timeout' : kindOf(error), {
          cause: error,
          proxy: outgoing?.proxyHost(asked.url),
        });
      } finally {
        clearTimeout(timer);
      }
    },
    close: () => agent.destroy(),
  };
}
