import type { AccountKey } from '../account-key.ts';
import type { Resource } from '../acme.ts';
import { checkOrigin, type Directory, parseDirectory } from '../directory.ts';
import { AcmeError } from '../errors.ts';
import { explainFailure, type Http, HttpFailure, type HttpRequest, type HttpResponse } from '../http.ts';
import { bindExternalAccount, type ExternalAccount, signJws } from '../jws.ts';
import type { Logger } from '../logger.ts';
import { createNoncePool } from '../nonce-pool.ts';
import { AcmeProblemError, type Problem, parseProblem, shortType } from '../problem.ts';
import { parseRetryAfter } from '../retry-after.ts';

/** What every request to one CA shares. */
export interface TransportOptions {
  readonly http: Http;
  readonly directory: string;
  readonly key: AccountKey;
  readonly eab?: ExternalAccount | undefined;
  readonly logger: Logger;
  now(): Date;
  sleep(ms: number, options: { readonly signal: AbortSignal }): Promise<void>;
}

/** An answer as acme-client's resource layer reads it. */
export interface SeamResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly data: unknown;
  readonly retryAfter: Date | undefined;
}

/** How a request is to be signed: `kid` null puts the whole public key in. */
interface SeamSigning {
  readonly kid?: string | null;
  readonly includeExternalAccountBinding?: boolean;
}

/** The members of acme-client's HTTP client that its resource layer calls. A contract test fails if it ever calls another. */
export interface SeamHttp {
  getResourceUrl(resource: string): Promise<string>;
  getMetaField(field: string): Promise<unknown>;
  signedRequest(url: string, payload: unknown, signing?: SeamSigning): Promise<SeamResponse>;
}

/** The HTTP layer under acme-client, shared by all jobs on one CA and account. */
export interface Transport {
  directory(signal: AbortSignal): Promise<Directory>;
  /** Unsigned GET. */
  get(url: string, signal: AbortSignal): Promise<Resource>;
  /** The seam for one job, whose requests stop with `signal`. */
  bind(signal: AbortSignal): SeamHttp;
}

// At a rejection rate of one half this loses one request in four thousand million.
const MAX_NONCE_TRIES = 32;
const MAX_TRIES = 4;
const FIRST_WAIT_MS = 250;
/** A longer wait than this is the caller's to plan. */
const LONGEST_WAIT_MS = 5000;
const DIRECTORY_AGE_MS = 86_400_000;

const HTML = /^\s*<(!doctype|html|\?xml|head|body)/i;

function parseBody({ headers, text }: HttpResponse): unknown {
  if (headers['content-type']?.startsWith('application/pem-certificate-chain')) return text;
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Creates the transport. Its nonces and its copy of the directory are kept in memory only. */
export function createTransport(options: TransportOptions): Transport {
  const { http, directory: home, key, eab, logger, now } = options;
  const nonces = createNoncePool(now);
  let known: { readonly directory: Directory; readonly until: number } | undefined;

  function nameOf(url: string): string {
    const resource = Object.entries(known?.directory ?? {}).find(([, value]) => value === url)?.[0];
    return resource ?? (url === home ? 'the directory' : url);
  }

  function problemIn(response: HttpResponse, body: unknown): Problem {
    const { status, text } = response;
    const problem = parseProblem(body, status);
    if (problem) return problem;
    const isBlank = text.trim() === '' || status >= 500 || status === 429;
    if (!isBlank) throw notAcme(response);
    return { type: 'about:blank', detail: 'no reason given', status, subproblems: [] };
  }

  function notAcme({ status, text }: HttpResponse): AcmeError {
    const what = HTML.test(text) ? 'a web page' : 'something that is not JSON';
    const message = `The CA at ${home} answered ${what} (HTTP ${status}). Check that this is an ACME directory, and no proxy is between.`;
    return new AcmeError('CERTBUS_ACME_NOT_ACME', message);
  }

  function read(url: string, response: HttpResponse): SeamResponse {
    const { status, headers } = response;
    const data = parseBody(response);
    const retryAfter = parseRetryAfter(headers['retry-after'], now());
    if (status >= 400) {
      const attempt = `The CA at ${new URL(home).host} refused ${nameOf(url)}`;
      throw new AcmeProblemError(problemIn(response, data), { attempt, url, notBefore: retryAfter });
    }
    const isText = headers['content-type']?.startsWith('application/pem-certificate-chain');
    if (status >= 300 || (typeof data === 'string' && !isText)) throw notAcme(response);
    return { status, headers, data, retryAfter };
  }

  async function send(request: HttpRequest): Promise<HttpResponse> {
    const { method, url, signal } = request;
    checkOrigin(url, home);
    const start = now().getTime();
    try {
      const response = await http.send(request);
      nonces.put(response.headers['replay-nonce']);
      logger.debug('ACME request', { method, url, status: response.status, ms: now().getTime() - start });
      return response;
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  }

  /** What to wait before another try; `undefined` where there should be none. */
  function waitAfter(outcome: HttpResponse | HttpFailure, tries: number): number | undefined {
    const isFailure = outcome instanceof HttpFailure;
    const isTransient = isFailure ? outcome.kind === 'lost' || outcome.kind === 'refused' : outcome.status >= 500;
    if (!isTransient || tries >= MAX_TRIES) return undefined;
    const asked = isFailure ? undefined : parseRetryAfter(outcome.headers['retry-after'], now());
    const own = FIRST_WAIT_MS * 2 ** (tries - 1) * (0.75 + Math.random() * 0.5);
    const wait = Math.max(own, asked ? asked.getTime() - now().getTime() : 0);
    return wait <= LONGEST_WAIT_MS ? wait : undefined;
  }

  /** Tries a request that may be made twice without harm a few times. Each try is built, and so signed, afresh. */
  async function repeat(signal: AbortSignal, attempt: () => Promise<HttpResponse>): Promise<HttpResponse> {
    for (let tries = 1; ; tries += 1) {
      const outcome = await attempt().catch((error: unknown) => {
        if (error instanceof HttpFailure) return error;
        throw error;
      });
      const wait = waitAfter(outcome, tries);
      if (wait !== undefined) await options.sleep(wait, { signal });
      else if (outcome instanceof HttpFailure) throw explainFailure(outcome, home);
      else return outcome;
    }
  }

  const getOnce = (url: string, signal: AbortSignal) => send({ method: 'GET', url, signal });

  async function directory(signal: AbortSignal): Promise<Directory> {
    if (known && known.until > now().getTime()) return known.directory;
    const response = await repeat(signal, () => getOnce(home, signal));
    const parsed = parseDirectory(read(home, response).data, home);
    known = { directory: parsed, until: now().getTime() + DIRECTORY_AGE_MS };
    return parsed;
  }

  async function takeNonce(signal: AbortSignal) {
    const pooled = nonces.take();
    if (pooled) return pooled;
    const { newNonce } = await directory(signal);
    // RFC 8555 §7.2 allows GET, and unlike HEAD it keeps the connection of servers that send no length.
    read(newNonce, await repeat(signal, () => getOnce(newNonce, signal)));
    const fresh = nonces.take();
    if (fresh) return fresh;
    throw new AcmeError('CERTBUS_ACME_NOT_ACME', `The CA at ${home} gave no nonce (RFC 8555 §7.2).`);
  }

  function isBadNonce(response: HttpResponse): boolean {
    if (response.status !== 400) return false;
    const problem = parseProblem(parseBody(response), 400);
    return problem !== undefined && shortType(problem.type) === 'badNonce';
  }

  /** Signs and sends until the nonce is accepted; a signed body is never sent a second time. */
  async function post(url: string, payload: unknown, kid: string | null, signal: AbortSignal): Promise<HttpResponse> {
    for (let tries = 1; ; tries += 1) {
      const nonce = await takeNonce(signal);
      const body = JSON.stringify(signJws(key, payload, { url, nonce: nonce.value, kid }));
      const response = await send({ method: 'POST', url, body, signal });
      if (!isBadNonce(response) || tries === MAX_NONCE_TRIES) return response;
      // Refused once, a nonce may have been unlucky; refused again, the fresh one, the CA has probably restarted.
      if (tries > 1) nonces.discard(nonce);
    }
  }

  async function sendSigned(
    signal: AbortSignal,
    url: string,
    payload: unknown,
    { kid = null, includeExternalAccountBinding = false }: SeamSigning,
  ): Promise<SeamResponse> {
    const { newAccount, newOrder } = await directory(signal);
    const binding =
      includeExternalAccountBinding && eab ? { externalAccountBinding: bindExternalAccount(key.jwk, eab, url) } : {};
    const content = payload === null || payload === undefined ? null : { ...payload, ...binding };
    const attempt = () => post(url, content, kid, signal);
    // A CA gives the same account for the same key, and the same pending order for the same names (or a spare one, which expires).
    const isRepeatable = content === null || url === newAccount || url === newOrder;
    if (isRepeatable) return read(url, await repeat(signal, attempt));
    try {
      return read(url, await attempt());
    } catch (error) {
      throw error instanceof HttpFailure ? explainFailure(error, home) : error;
    }
  }

  return {
    directory,
    async get(url, signal) {
      const { status, data, retryAfter } = read(url, await repeat(signal, () => getOnce(url, signal)));
      return { url, status, body: data, retryAfter };
    },
    bind: (signal) => ({
      async getResourceUrl(resource) {
        const url = Object.entries(await directory(signal)).find(([name]) => name === resource)?.[1];
        if (typeof url === 'string') return url;
        throw new AcmeError('CERTBUS_ACME_NOT_ACME', `The CA at ${home} has no ${resource}.`);
      },
      async getMetaField(field) {
        return Object.entries((await directory(signal)).meta).find(([name]) => name === field)?.[1] ?? null;
      },
      signedRequest: (url, payload, signing = {}) => sendSigned(signal, url, payload, signing),
    }),
  };
}
