/** Requests to the HTTP API of a DNS host. */
import { AcmeError } from '@certbus/acme';
import { parseRetryAfter, textOf } from '@certbus/acme/solver-kit';
import { Agent, type Dispatcher, fetch, type Response } from 'undici';
import type { Outgoing } from '../definition/outgoing.ts';
import { sleep } from './sleep.ts';

/** What lies between this machine and an API. */
export interface NetworkOptions {
  /** The way through a proxy. Default: the direct one, whatever the environment says. */
  readonly outgoing?: Outgoing | undefined;
  /** PEM of a private CA's roots, for the TLS of the API. Default: the public ones. */
  readonly roots?: string | undefined;
}

/** An HTTP API of a DNS host, and who asks it. */
export interface HttpApi {
  /** What the host is called in messages, such as `PowerDNS at https://…`. */
  readonly title: string;
  readonly url: string;
  /** Where credentials travel, and nowhere else. */
  readonly headers: Readonly<Record<string, string>>;
  /** Texts that no message may have, even where the host repeats them. */
  readonly secrets: readonly string[];
  readonly network?: NetworkOptions | undefined;
  /** The longest wait that a busy host may ask for; beyond it the call fails, and the job comes again later. Default 60,000. */
  readonly longestWaitMs?: number | undefined;
}

/** One request. */
export interface ApiRequest {
  /** What it is for, as messages begin: `Reading the TXT records of a.test`. */
  readonly attempt: string;
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Below the API's URL, with query. */
  readonly path: string;
  readonly body?: object;
  /** Whether to send it again where its outcome is unknown. Default true. */
  readonly isRepeatable?: boolean;
  readonly signal: AbortSignal;
}

/** A complete answer. */
export interface ApiAnswer {
  readonly status: number;
  /** The body, parsed as JSON; `undefined` where it is none. */
  readonly json: unknown;
  /** The beginning of the body, fit to print. */
  readonly said: string;
}

const REQUEST_MS = 30_000;
const MAX_BYTES = 32_000_000;
const MAX_BUSY_TRIES = 6;
const MAX_LOST_TRIES = 3;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 60_000;
const BUSY = new Set([429, 503]);

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error.cause === undefined ? error.message : codeOf(error.cause);
}

type Dispatchers = Map<string | undefined, Promise<Dispatcher>>;

/** Connections by the way out and the roots; kept for all solvers of the process, and closed by themselves when idle. */
const direct: Dispatchers = new Map();
const through = new WeakMap<Outgoing, Dispatchers>();

function dispatchersOf(outgoing: Outgoing | undefined): Dispatchers {
  if (!outgoing) return direct;
  const known = through.get(outgoing) ?? new Map();
  through.set(outgoing, known);
  return known;
}

async function openDispatcher({ outgoing, roots }: NetworkOptions): Promise<Dispatcher> {
  const connect = roots ? { ca: roots } : {};
  return outgoing ? outgoing.openDispatcher({ connect }) : new Agent({ connect });
}

function dispatcherFor(network: NetworkOptions): Promise<Dispatcher> {
  const known = dispatchersOf(network.outgoing);
  const dispatcher = known.get(network.roots) ?? openDispatcher(network);
  known.set(network.roots, dispatcher);
  return dispatcher;
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new Error(`the answer is larger than ${MAX_BYTES / 1_000_000} MB`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Text of a host, without what must not be told. */
function printable(text: string, secrets: readonly string[]): string {
  const clean = secrets.reduce((rest, secret) => rest.replaceAll(secret, '…'), text);
  return textOf(clean.trim(), 300) ?? '';
}

/** What a proxy on the way did, in its own words; `undefined` where the failure is not the proxy's. */
function proxyFailure(error: unknown): { readonly isRefusal: boolean; readonly why: string } | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = 'code' in error ? error.code : undefined;
  const isRefusal = code === 'ERR_PROXY_REFUSED';
  if (isRefusal || code === 'ERR_PROXY_UNREACHABLE') return { isRefusal, why: `${error.message}.` };
  return proxyFailure(error.cause);
}

/** A failure of an API in words for people; without the error of `fetch`, which may hold the request. */
export function apiFailure({ title, url, network }: HttpApi, attempt: string, why: string): AcmeError {
  const proxy = network?.outgoing?.proxyHost(url);
  const way = proxy ? ` through the proxy ${proxy}` : '';
  return new AcmeError('CERTBUS_ACME_SOLVER_FAILED', `${attempt} at ${title}${way}: ${why}`);
}

async function send(
  { url, headers, network = {} }: HttpApi,
  { method, path, body, signal }: ApiRequest,
): Promise<{ readonly response: Response; readonly text: string }> {
  const response = await fetch(`${url.replace(/\/$/, '')}${path}`, {
    method,
    headers: { ...headers, ...(body ? { 'content-type': 'application/json' } : {}), 'user-agent': 'certbus' },
    ...(body ? { body: JSON.stringify(body) } : {}),
    dispatcher: await dispatcherFor(network),
    // Another host than the one that was meant must not see the credentials.
    redirect: 'manual',
    signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_MS)]),
  });
  return { response, text: await readText(response) };
}

/**
 * Makes one call, again with growing waits while the host is busy (429, 503, as its `Retry-After` says) or the network fails. Any
 * other status is the caller's to judge. Rejects with `CERTBUS_ACME_SOLVER_FAILED`, or with
 * what the way out throws.
 */
export async function callApi(api: HttpApi, request: ApiRequest): Promise<ApiAnswer> {
  const { attempt, signal, isRepeatable = true } = request;
  // A proxy that is wrong is not an API that cannot be reached.
  api.network?.outgoing?.proxyHost(api.url);
  for (let tries = 1; ; tries += 1) {
    signal.throwIfAborted();
    let why: string;
    let maxTries = MAX_LOST_TRIES;
    let waitMs = FIRST_WAIT_MS * 2 ** (tries - 1) * (0.5 + Math.random() / 2);
    try {
      const { response, text } = await send(api, request);
      const { status } = response;
      if (status >= 300 && status < 400) {
        throw apiFailure(api, attempt, `it redirects to another address (HTTP ${status}). Set the URL to that one.`);
      }
      if (!BUSY.has(status)) return { status, json: parseJson(text), said: printable(text, api.secrets) };
      const retryAfter = parseRetryAfter(response.headers.get('retry-after') ?? undefined, new Date());
      maxTries = MAX_BUSY_TRIES;
      waitMs = Math.max(waitMs, (retryAfter?.getTime() ?? 0) - Date.now());
      why = `it is busy (HTTP ${status}${retryAfter ? `, until ${retryAfter.toISOString()}` : ''}). Try again later.`;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof AcmeError) throw error;
      const code = printable(codeOf(error), api.secrets);
      const isDistrusted = /CERT|VERIFY|SELF_SIGNED/.test(code);
      const proxy = proxyFailure(error);
      why = isDistrusted
        ? `its TLS certificate is not trusted here (${code}). For a private CA set "roots" to the PEM of its root certificates.`
        : (proxy?.why ?? `it cannot be reached (${code}). Check its address, and what is between.`);
      if (isDistrusted || proxy?.isRefusal) maxTries = 1;
      if (!isRepeatable) throw apiFailure(api, attempt, why);
    }
    if (tries >= maxTries || waitMs > (api.longestWaitMs ?? LONGEST_WAIT_MS)) throw apiFailure(api, attempt, why);
    await sleep(waitMs, signal);
  }
}
