import { setTimeout as wait } from 'node:timers/promises';
import { readAccountKey, thumbprintOf } from '../account/account-key.ts';
import { type ExternalAccount, readExternalAccount } from '../account/external-account.ts';
import { AcmeError } from '../errors.ts';
import { createGate, type Gate } from '../limits/gate.ts';
import type { Job } from '../limits/job.ts';
import type { Acme, Session, SessionOptions } from './acme.ts';
import type { AccountSlot } from './acme-client.ts';
import { parseDirectoryUrl } from './directory.ts';
import type { Http } from './http.ts';
import { type Logger, SILENT } from './logger.ts';
import type { AcmeEvent, Observe } from './observe.ts';
import { type ProxyOptions, proxyHost } from './proxy.ts';

/** A CA and an account there. */
export interface AcmeOptions {
  /** Address of the CA's directory; https, except on loopback. */
  readonly directory: string;
  /** Account key, PKCS#8 PEM. */
  readonly accountKey: string;
  /** PEM of a private CA's roots: then these alone are trusted for its TLS. Default: Node's roots. */
  readonly roots?: string;
  /** The proxy to the CA; see `proxyOf`. Default: none, whatever the environment says. */
  readonly proxy?: ProxyOptions;
  /** Sends the requests, in place of the package's own HTTP client; `roots`, `proxy` and `requestTimeoutMs` are then its affair. */
  readonly http?: Http;
  /** The account's URL, where it is known. Default: looked up by the key. */
  readonly accountUrl?: string;
  /** Key of an account kept outside ACME, used when an account is created. */
  readonly eab?: ExternalAccount;
  /** Bound of one request. Default 30,000. */
  readonly requestTimeoutMs?: number;
  /** What keeps the CA's limits, and stops asking while it is down. Share one per CA. Default: one of its own. */
  readonly gate?: Gate;
  /** Hears what happens, for metrics; see `createAcmeCounters`. Default: nobody does. */
  readonly observe?: Observe;
  /** From 0 up to 1, for the jitter of waits. Default `Math.random`. */
  readonly random?: () => number;
  /** Default: the system's clock. */
  readonly now?: () => Date;
  /** Default: a timer. */
  readonly sleep?: (ms: number, options: { readonly signal: AbortSignal }) => Promise<void>;
  /** Default: silent. */
  readonly logger?: Logger;
}

const REQUEST_TIMEOUT_MS = 30_000;
const DEADLINE_MS = 120_000;

const sleepFor: NonNullable<AcmeOptions['sleep']> = async (ms, { signal }) => {
  try {
    await wait(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
};

/** A wait that was not begun. */
interface Waited {
  readonly why?: string;
  readonly notBefore?: Date;
}

/** What all jobs share, with every default in place. */
interface Connected extends AcmeOptions {
  readonly gate: Gate;
  readonly observe: Observe;
  readonly logger: Logger;
  readonly now: () => Date;
  readonly random: () => number;
}

/** Loads what talks to the CA: only now, so that importing the package stays cheap. */
async function connect(options: Connected, account: AccountSlot) {
  const [{ openHttp }, { createTransport }, { createResourceCalls }] = await Promise.all([
    import('./undici.ts'),
    import('./transport.ts'),
    import('./acme-client.ts'),
  ]);
  const { directory, roots, proxy, eab, requestTimeoutMs = REQUEST_TIMEOUT_MS } = options;
  const http = options.http ?? openHttp({ roots, proxy, requestTimeoutMs });
  const key = readAccountKey(options.accountKey);
  const transport = createTransport({ ...options, http, key, eab: eab && readExternalAccount(eab) });
  return {
    transport,
    callsOf: (job: Job) =>
      createResourceCalls(transport.bind(job), { home: directory, account, jwk: key.jwk, signal: job.signal }),
    close: () => http.close(),
  };
}

function deadlineError(directory: string, deadlineMs: number, { why = '', notBefore }: Waited = {}): AcmeError {
  const when = notBefore ? ` ${why} at ${notBefore.toISOString()}.` : ' Try again later.';
  const message = `The job at ${directory} did not end within ${deadlineMs / 1000} s.${when}`;
  return new AcmeError('CERTBUS_ACME_DEADLINE', message, { notBefore });
}

/** Metrics must not cost a certificate. */
function guarded(observe: Observe | undefined, logger: Logger): Observe {
  return (event: AcmeEvent) => {
    try {
      observe?.(event);
    } catch (error) {
      logger.warn('what observes the ACME client failed', { event: event.type, why: String(error) });
    }
  };
}

/**
 * A CA and an account there, without a request yet. Throws `CERTBUS_ACME_DIRECTORY_INVALID`,
 * `CERTBUS_ACME_ACCOUNT_KEY_INVALID`, `CERTBUS_ACME_EAB_INVALID` and `CERTBUS_ACME_PROXY_INVALID`. Close it when done.
 */
export function createAcme(options: AcmeOptions): Acme {
  const { logger = SILENT, now = () => new Date(), random = Math.random, sleep = sleepFor } = options;
  const directory = parseDirectoryUrl(options.directory).href;
  const { jwk } = readAccountKey(options.accountKey);
  if (options.eab) readExternalAccount(options.eab);
  if (options.proxy) proxyHost(options.proxy);
  const gate = options.gate ?? createGate(directory, { now });
  const observe = guarded(options.observe, logger);
  const account: AccountSlot = { url: options.accountUrl };
  let connection: ReturnType<typeof connect> | undefined;
  let isClosed = false;

  async function open({ signal, deadlineMs = DEADLINE_MS }: SessionOptions): Promise<Session> {
    if (isClosed) throw new TypeError(`The connection to ${directory} is closed`);
    connection ??= connect({ ...options, directory, gate, observe, logger, now, random }, account);
    const { transport, callsOf } = await connection;
    signal.throwIfAborted();
    const ends = now().getTime() + deadlineMs;
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(deadlineError(directory, deadlineMs)), deadlineMs);
    const stop = AbortSignal.any([signal, limit.signal]);
    const job: Job = {
      signal: stop,
      check(ms, why = 'The CA asks to come back') {
        const until = now().getTime() + ms;
        if (until > ends) throw deadlineError(directory, deadlineMs, { why, notBefore: new Date(until) });
      },
      async sleep(ms, why) {
        job.check(ms, why);
        await sleep(ms, { signal: stop });
      },
    };
    return {
      ...job,
      directory: () => transport.directory(job),
      get: (url) => transport.get(url, job),
      ...callsOf(job),
      [Symbol.dispose]() {
        clearTimeout(timer);
        limit.abort(new DOMException('The job has ended', 'AbortError'));
      },
    };
  }

  return {
    directory,
    thumbprint: thumbprintOf(jwk),
    accountUrl: options.accountUrl,
    logger,
    gate,
    observe,
    now,
    random,
    open,
    async close() {
      isClosed = true;
      await (await connection)?.close();
    },
  };
}
