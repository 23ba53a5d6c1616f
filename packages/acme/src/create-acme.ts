import { setTimeout as wait } from 'node:timers/promises';
import { readAccountKey, thumbprintOf } from './account-key.ts';
import type { Acme, Session, SessionOptions } from './acme.ts';
import type { AccountSlot } from './adapters/acme-client.ts';
import { parseDirectoryUrl } from './directory.ts';
import { AcmeError } from './errors.ts';
import type { ExternalAccount } from './jws.ts';
import { type Logger, SILENT } from './logger.ts';

/** A CA and an account there. */
export interface AcmeOptions {
  /** Address of the CA's directory; https, except on loopback. */
  readonly directory: string;
  /** Account key, PKCS#8 PEM. */
  readonly accountKey: string;
  /** PEM of a private CA's roots: then these alone are trusted for its TLS. Default: Node's roots. */
  readonly roots?: string;
  /** The account's URL, where it is known. Default: looked up by the key. */
  readonly accountUrl?: string;
  /** Key of an account kept outside ACME, used when an account is created. */
  readonly eab?: ExternalAccount;
  /** Bound of one request. Default 30,000. */
  readonly requestTimeoutMs?: number;
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

/** Loads what talks to the CA: only now, so that importing the package stays cheap. */
async function connect(options: AcmeOptions, account: AccountSlot) {
  const [{ openHttp }, { createTransport }, { createResourceCalls }] = await Promise.all([
    import('./adapters/http.ts'),
    import('./adapters/transport.ts'),
    import('./adapters/acme-client.ts'),
  ]);
  const { roots, requestTimeoutMs = REQUEST_TIMEOUT_MS, now = () => new Date(), sleep = sleepFor } = options;
  const http = openHttp({ roots, requestTimeoutMs });
  const transport = createTransport({
    http,
    directory: options.directory,
    key: readAccountKey(options.accountKey),
    eab: options.eab,
    logger: options.logger ?? SILENT,
    now,
    sleep,
  });
  return {
    transport,
    callsOf: (signal: AbortSignal) => createResourceCalls(transport.bind(signal), account, signal),
    close: () => http.close(),
  };
}

function deadlineError(directory: string, deadlineMs: number, notBefore?: Date): AcmeError {
  const when = notBefore ? ` The CA asks to come back at ${notBefore.toISOString()}.` : ' Try again later.';
  const message = `The job at ${directory} did not end within ${deadlineMs / 1000} s.${when}`;
  return new AcmeError('CERTBUS_ACME_DEADLINE', message, { notBefore });
}

/**
 * A CA and an account there, without a request yet. Throws `CERTBUS_ACME_DIRECTORY_INVALID` and
 * `CERTBUS_ACME_ACCOUNT_KEY_INVALID`. Close it when done.
 */
export function createAcme(options: AcmeOptions): Acme {
  const { logger = SILENT, now = () => new Date(), sleep = sleepFor } = options;
  const directory = parseDirectoryUrl(options.directory).href;
  const { jwk } = readAccountKey(options.accountKey);
  const account: AccountSlot = { url: options.accountUrl };
  let connection: ReturnType<typeof connect> | undefined;
  let isClosed = false;

  async function open({ signal, deadlineMs = DEADLINE_MS }: SessionOptions): Promise<Session> {
    if (isClosed) throw new TypeError(`The connection to ${directory} is closed`);
    connection ??= connect({ ...options, directory }, account);
    const { transport, callsOf } = await connection;
    signal.throwIfAborted();
    const ends = now().getTime() + deadlineMs;
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(deadlineError(directory, deadlineMs)), deadlineMs);
    const stop = AbortSignal.any([signal, limit.signal]);
    return {
      signal: stop,
      directory: () => transport.directory(stop),
      get: (url) => transport.get(url, stop),
      ...callsOf(stop),
      async sleep(ms) {
        const until = now().getTime() + ms;
        if (until > ends) throw deadlineError(directory, deadlineMs, new Date(until));
        await sleep(ms, { signal: stop });
      },
      [Symbol.dispose]() {
        clearTimeout(timer);
        limit.abort(new DOMException('The job has ended', 'AbortError'));
      },
    };
  }

  return {
    directory,
    thumbprint: thumbprintOf(jwk),
    logger,
    now,
    open,
    async close() {
      isClosed = true;
      await (await connection)?.close();
    },
  };
}
