import type { AccountKey } from '../account/account-key.ts';
import { bindExternalAccount, type MacKey } from '../account/external-account.ts';
import { AcmeError } from '../errors.ts';
import type { Outcome } from '../limits/breaker.ts';
import type { Gate } from '../limits/gate.ts';
import type { Job } from '../limits/job.ts';
import type { Resource } from './acme.ts';
import { type Answer, isBadNonce, readAnswer } from './answer.ts';
import { checkOrigin, type Directory, parseDirectory } from './directory.ts';
import { type Endpoint, endpointOf } from './endpoint.ts';
import { explainFailure, type Http, HttpFailure, type HttpRequest, type HttpResponse } from './http.ts';
import { signJws } from './jws.ts';
import type { Logger } from './logger.ts';
import { createNoncePool } from './nonce-pool.ts';
import type { Observe } from './observe.ts';
import { parseRetryAfter } from './retry-after.ts';

/** What every request to one CA shares. */
export interface TransportOptions {
  readonly http: Http;
  readonly directory: string;
  readonly key: AccountKey;
  readonly eab?: MacKey | undefined;
  readonly gate: Gate;
  readonly observe: Observe;
  readonly logger: Logger;
  now(): Date;
  /** From 0 up to 1. */
  random(): number;
}

/** How a request is to be signed: `kid` null puts the whole public key in. */
interface SeamSigning {
  readonly kid?: string | null;
  readonly includeExternalAccountBinding?: boolean;
  /** Default: the account's. */
  readonly key?: AccountKey;
}

/** The members of acme-client's HTTP client that its resource layer calls. A contract test fails if it ever calls another. */
export interface SeamHttp {
  getResourceUrl(resource: string): Promise<string>;
  getMetaField(field: string): Promise<unknown>;
  signedRequest(url: string, payload: unknown, signing?: SeamSigning): Promise<Answer>;
}

/** The HTTP layer under acme-client, shared by all jobs on one CA and account. */
export interface Transport {
  directory(job: Job): Promise<Directory>;
  /** Unsigned GET. */
  get(url: string, job: Job): Promise<Resource>;
  /** The seam for one job, whose requests stop with its signal. */
  bind(job: Job): SeamHttp;
}

// At a rejection rate of one half this loses one request in four thousand million.
const MAX_NONCE_TRIES = 32;
const MAX_TRIES = 4;
const FIRST_WAIT_MS = 250;
/** A longer wait than this is the caller's to plan. */
const LONGEST_WAIT_MS = 5000;
const DIRECTORY_AGE_MS = 86_400_000;

type Try = HttpResponse | HttpFailure;

/** Whether it blames the CA. A busy endpoint says when to come back, and is no outage, unless it is the directory itself. */
function outcomeOf(result: Try, isVital: boolean): Outcome {
  if (result instanceof HttpFailure)
    return result.kind === 'oversize' || result.kind === 'garbage' ? 'nothing' : 'outage';
  const isBusy = result.status === 503 && result.headers['retry-after'] !== undefined && !isVital;
  return result.status >= 500 && !isBusy ? 'outage' : 'answered';
}

/** Creates the transport. Its nonces and its copy of the directory are kept in memory only. */
export function createTransport(options: TransportOptions): Transport {
  const { http, directory: home, eab, gate, observe, logger, now } = options;
  const { limiter, breaker } = gate;
  const nonces = createNoncePool(now);
  let known: { readonly directory: Directory; readonly until: number } | undefined;

  const endpoint = (url: string) => endpointOf(url, home, known?.directory);
  const retryAfterOf = ({ headers }: HttpResponse) => parseRetryAfter(headers['retry-after'], now());

  function read(url: string, result: Try): Answer {
    if (result instanceof HttpFailure) throw explainFailure(result, home);
    const resource = Object.entries(known?.directory ?? {}).find(([, value]) => value === url)?.[0];
    const name = resource ?? (url === home ? 'the directory' : url);
    return readAnswer(result, { home, url, name, now: now() });
  }

  /** Sends once, what has a place under the CA's limits already. */
  async function send(request: HttpRequest): Promise<Try> {
    const { method, url, signal } = request;
    checkOrigin(url, home);
    const start = now().getTime();
    const tell = (result: number | string) => {
      const ms = now().getTime() - start;
      observe({ type: 'request', endpoint: endpoint(url), result, ms });
      logger.debug('ACME request', { method, url, result, ms });
    };
    try {
      const response = await http.send(request);
      tell(response.status);
      nonces.put(response.headers['replay-nonce']);
      const retryAfter = retryAfterOf(response);
      if (response.status === 503 && retryAfter) limiter.pauseEndpoint(endpoint(url), retryAfter);
      return response;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof HttpFailure)) throw error;
      tell(error.kind);
      return error;
    }
  }

  async function passLimit(job: Job, subject: Endpoint): Promise<void> {
    const ms = await limiter.request(job, subject);
    if (ms > 0) observe({ type: 'wait', for: subject, ms });
  }

  /** Lets the breaker have its say before something is asked, and hear how it ended. */
  async function guard(subject: Endpoint, ask: () => Promise<Try>): Promise<Try> {
    const isVital = subject === 'directory';
    const before = breaker.state();
    const admission = breaker.admit({ isVital });
    let result: Try | undefined;
    try {
      result = await ask();
      return result;
    } finally {
      const retryAt = result && !(result instanceof HttpFailure) ? retryAfterOf(result) : undefined;
      admission.end(result ? outcomeOf(result, isVital) : 'nothing', retryAt);
      const state = breaker.state();
      if (state !== before) observe({ type: 'breaker', state, until: breaker.openUntil() });
    }
  }

  /** What to wait before another try; `undefined` where there should be none. */
  function waitAfter(result: Try, tries: number): number | undefined {
    const isFailure = result instanceof HttpFailure;
    const isTransient = isFailure ? result.kind === 'lost' || result.kind === 'refused' : result.status >= 500;
    if (!isTransient || tries >= MAX_TRIES) return undefined;
    const asked = isFailure ? undefined : retryAfterOf(result);
    const own = FIRST_WAIT_MS * 2 ** (tries - 1) * (0.75 + options.random() * 0.5);
    const wait = Math.max(own, asked ? asked.getTime() - now().getTime() : 0);
    return wait <= LONGEST_WAIT_MS ? wait : undefined;
  }

  /** Tries a request that may be made twice without harm a few times. Each try is built, and so signed, afresh. */
  async function repeat(job: Job, attempt: () => Promise<Try>): Promise<Try> {
    for (let tries = 1; ; tries += 1) {
      const result = await attempt();
      const wait = waitAfter(result, tries);
      if (wait === undefined) return result;
      await job.sleep(wait);
    }
  }

  async function get(url: string, job: Job): Promise<Answer> {
    const subject = endpoint(url);
    const attempt = async () => {
      await passLimit(job, subject);
      return send({ method: 'GET', url, signal: job.signal });
    };
    return read(url, await guard(subject, () => repeat(job, attempt)));
  }

  async function directory(job: Job): Promise<Directory> {
    // After an outage the directory is asked first: it is the cheapest sign of life.
    const isCertain = breaker.state() === 'closed';
    if (known && isCertain && known.until > now().getTime()) return known.directory;
    const parsed = parseDirectory((await get(home, job)).data, home);
    known = { directory: parsed, until: now().getTime() + DIRECTORY_AGE_MS };
    return parsed;
  }

  async function takeNonce(job: Job) {
    const pooled = nonces.take();
    if (pooled) return pooled;
    // RFC 8555 §7.2 allows GET, and unlike HEAD it keeps the connection of servers that send no length.
    await get((await directory(job)).newNonce, job);
    const fresh = nonces.take();
    if (fresh) return fresh;
    throw new AcmeError('CERTBUS_ACME_NOT_ACME', `The CA at ${home} gave no nonce (RFC 8555 §7.2).`);
  }

  /** Signs and sends until the nonce is accepted; a signed body is never sent a second time. */
  async function post(job: Job, url: string, payload: unknown, { kid = null, key = options.key }: SeamSigning) {
    const subject = endpoint(url);
    for (let tries = 1; ; tries += 1) {
      await passLimit(job, subject);
      const nonce = await takeNonce(job);
      const body = JSON.stringify(signJws(key, payload, { url, nonce: nonce.value, kid }));
      const result = await send({ method: 'POST', url, body, signal: job.signal });
      if (result instanceof HttpFailure || !isBadNonce(result) || tries === MAX_NONCE_TRIES) return result;
      // Refused once, a nonce may have been unlucky; refused again, the fresh one, the CA has probably restarted.
      if (tries > 1) nonces.discard(nonce);
    }
  }

  async function sendSigned(job: Job, url: string, payload: unknown, signing: SeamSigning): Promise<Answer> {
    const { newAccount, newOrder, revokeCert } = await directory(job);
    const isBound = signing.includeExternalAccountBinding && eab;
    const binding = isBound ? { externalAccountBinding: bindExternalAccount(options.key.jwk, eab, url) } : {};
    const content = payload === null || payload === undefined ? null : { ...payload, ...binding };
    const attempt = () => post(job, url, content, signing);
    // A CA gives the same account for the same key, and the same pending order for the same names (or a spare one, which expires);
    // what is revoked stays so.
    const isRepeatable = content === null || [newAccount, newOrder, revokeCert].includes(url);
    return read(url, await guard(endpoint(url), isRepeatable ? () => repeat(job, attempt) : attempt));
  }

  return {
    directory,
    async get(url, job) {
      const { status, headers, data, retryAfter } = await get(url, job);
      const answeredAt = new Date(headers.date ?? '');
      return { url, status, body: data, retryAfter, ...(Number.isNaN(answeredAt.getTime()) ? {} : { answeredAt }) };
    },
    bind: (job) => ({
      async getResourceUrl(resource) {
        const url = Object.entries(await directory(job)).find(([name]) => name === resource)?.[1];
        if (typeof url === 'string') return url;
        throw new AcmeError('CERTBUS_ACME_NOT_ACME', `The CA at ${home} has no ${resource}.`);
      },
      async getMetaField(field) {
        return Object.entries((await directory(job)).meta).find(([name]) => name === field)?.[1] ?? null;
      },
      signedRequest: (url, payload, signing = {}) => sendSigned(job, url, payload, signing),
    }),
  };
}
