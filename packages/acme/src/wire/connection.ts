/** One connection to a CA: what its requests share, and how one of them is sent under the CA's limits. */
import type { AccountKey } from '../account/account-key.ts';
import type { MacKey } from '../account/external-account.ts';
import type { Breaker, Outcome } from '../limits/breaker.ts';
import type { Deadline } from '../limits/deadline.ts';
import type { RateLimiter } from '../limits/rate-limiter.ts';
import { checkOrigin, type DirectoryObject } from './directory.ts';
import { type Endpoint, endpointOf } from './endpoint.ts';
import { type Http, HttpFailure, type HttpRequest, type HttpResponse } from './http.ts';
import type { Logger } from './logger.ts';
import type { NoncePool } from './nonce-pool.ts';
import type { Observe } from './observe.ts';
import { parseRetryAfter } from './retry-after.ts';

/** What every request to one CA shares. */
export interface ConnectionOptions {
  readonly http: Http;
  /** URL of the CA's directory. */
  readonly directory: string;
  readonly key: AccountKey;
  readonly eab?: MacKey | undefined;
  readonly limiter: RateLimiter;
  readonly breaker: Breaker;
  readonly observe: Observe;
  readonly logger: Logger;
  now(): Date;
  /** From 0 up to 1. */
  random(): number;
}

/** A connection: its options, and what it keeps in memory between requests. */
export interface Connection extends ConnectionOptions {
  readonly nonces: NoncePool;
  /** The directory object, and until when (ms since 1970) it is taken for current. */
  known: { readonly resources: DirectoryObject; readonly until: number } | undefined;
}

/** What came of sending one request. */
export type Result = HttpResponse | HttpFailure;

const MAX_TRIES = 4;
const FIRST_WAIT_MS = 250;
/** A longer wait than this is the caller's to plan. */
const LONGEST_WAIT_MS = 5000;

/** What the CA counts a request to an address as. */
export function endpointAt({ directory, known }: Connection, url: string): Endpoint {
  return endpointOf(url, directory, known?.resources);
}

function retryAfterOf({ now }: Connection, { headers }: HttpResponse): Date | undefined {
  return parseRetryAfter(headers['retry-after'], now());
}

/** Whether a status blames the CA. What it does not have (501) is not there at the next request either: it is not down. */
const isFailed = (status: number): boolean => status >= 500 && status !== 501;

/** Whether it blames the CA. A busy endpoint says when to come back, and is not down, unless it is the directory itself. */
function outcomeOf(result: Result, endpoint: Endpoint): Outcome {
  if (result instanceof HttpFailure)
    return result.kind === 'oversize' || result.kind === 'garbage' ? 'unknown' : 'failed';
  const isBusy = result.status === 503 && result.headers['retry-after'] !== undefined && endpoint !== 'directory';
  return isFailed(result.status) && !isBusy ? 'failed' : 'answered';
}

/** Sends once, after {@link waitForRoom}. */
export async function send(connection: Connection, request: HttpRequest): Promise<Result> {
  const { http, directory, limiter, nonces, observe, logger, now } = connection;
  const { method, url, signal } = request;
  checkOrigin(url, directory);
  const start = now().getTime();
  const report = (result: number | string) => {
    const ms = now().getTime() - start;
    observe({ type: 'request', endpoint: endpointAt(connection, url), result, ms });
    logger.debug('ACME request', { method, url, result, ms });
  };
  try {
    const response = await http.send(request);
    report(response.status);
    nonces.put(response.headers['replay-nonce']);
    const retryAfter = retryAfterOf(connection, response);
    if (response.status === 503 && retryAfter) limiter.pauseEndpoint(endpointAt(connection, url), retryAfter);
    return response;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof HttpFailure)) throw error;
    report(error.kind);
    return error;
  }
}

/** Waits until the CA's limits have room for one request to an endpoint. */
export async function waitForRoom(
  { limiter, observe }: Connection,
  deadline: Deadline,
  endpoint: Endpoint,
): Promise<void> {
  const ms = await limiter.request(deadline, endpoint);
  if (ms > 0) observe({ type: 'wait', for: endpoint, ms });
}

/** A request that the breaker guards. */
export interface Guarded<T> {
  readonly endpoint: Endpoint;
  ask(): Promise<Result>;
  /** What the answer is. Throws what it means for the caller, which is what the breaker keeps of a CA that is down. */
  read(result: Result): T;
}

/** Asks where the breaker admits it, reports to the breaker how that ended and why, and reads the answer. */
export async function guard<T>(connection: Connection, { endpoint, ask, read }: Guarded<T>): Promise<T> {
  const { breaker, observe } = connection;
  const before = breaker.state();
  const admission = breaker.admit({ isVital: endpoint === 'directory' });
  let result: Result | undefined;
  let cause: unknown;
  try {
    result = await ask();
    return read(result);
  } catch (error) {
    cause = error;
    throw error;
  } finally {
    const retryAt = result && !(result instanceof HttpFailure) ? retryAfterOf(connection, result) : undefined;
    admission.end(result ? outcomeOf(result, endpoint) : 'unknown', retryAt, cause);
    const state = breaker.state();
    if (state !== before) observe({ type: 'breaker', state, until: breaker.openUntil() });
  }
}

/** What to wait before another try, and whether the CA asked for that; `undefined` where there should be none. */
function waitAfter(
  connection: Connection,
  result: Result,
  tries: number,
): { readonly ms: number; readonly isAsked: boolean } | undefined {
  const isFailure = result instanceof HttpFailure;
  const isTransient = isFailure ? result.kind === 'lost' || result.kind === 'refused' : isFailed(result.status);
  if (!isTransient || tries >= MAX_TRIES) return undefined;
  const retryAfter = isFailure ? undefined : retryAfterOf(connection, result);
  const asked = retryAfter ? retryAfter.getTime() - connection.now().getTime() : 0;
  const own = FIRST_WAIT_MS * 2 ** (tries - 1) * (0.75 + connection.random() * 0.5);
  const ms = Math.max(own, asked);
  return ms <= LONGEST_WAIT_MS ? { ms, isAsked: asked > own } : undefined;
}

/** Tries a request that may be made twice without harm a few times. Each try is built, and so signed, again. */
export async function repeat(
  connection: Connection,
  deadline: Deadline,
  attempt: () => Promise<Result>,
): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    const result = await attempt();
    const wait = waitAfter(connection, result, tries);
    if (wait === undefined) return result;
    await deadline.sleep(wait.ms, wait.isAsked ? { kind: 'asked' } : undefined);
  }
}
