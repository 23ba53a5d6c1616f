/** Opens sessions with a CA, over one connection that is loaded and opened when the first of them needs it. */
import { setTimeout as wait } from 'node:timers/promises';
import { type AccountKey, readAccountKey, thumbprintOf } from '../account/account-key.ts';
import { readExternalAccount } from '../account/external-account.ts';
import type { AcmeOptions } from '../acme.ts';
import { type CaGuards, createCaLimiter, guardsOf } from '../limits/ca-limiter.ts';
import { type Deadline, startDeadline } from '../limits/deadline.ts';
import type { AccountSlot } from './acme-client.ts';
import { parseDirectoryUrl } from './directory.ts';
import type { Engine, Session } from './engine.ts';
import { type Logger, SILENT } from './logger.ts';
import type { AcmeEvent, Observe } from './observe.ts';

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

type Defaulted = 'observe' | 'logger' | 'now' | 'random' | 'sleep';

/** What all sessions share, with every default in place. */
interface Shared extends Omit<AcmeOptions, 'limiter' | Defaulted>, Required<Pick<AcmeOptions, Defaulted>>, CaGuards {
  readonly key: AccountKey;
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

/** Checks the options and fills in the defaults. */
function sharedOf({ limiter, ...options }: AcmeOptions): Shared {
  const { logger = SILENT, now = () => new Date(), random = Math.random, sleep = sleepFor } = options;
  const directory = parseDirectoryUrl(options.directory).href;
  const key = readAccountKey(options.accountKey);
  if (options.eab) readExternalAccount(options.eab);
  // A proxy that is wrong is an error now, and not with the first request.
  options.outgoing?.proxyHost(directory);
  const guards = guardsOf(limiter ?? createCaLimiter(directory, { now }));
  const observe = guarded(options.observe, logger);
  return { ...options, ...guards, directory, key, observe, logger, now, random, sleep };
}

/** Loads what talks to the CA: only now, so that importing the package stays cheap. */
async function connect(shared: Shared, account: AccountSlot) {
  const [{ openHttp }, { createTransport }, { createResourceCalls }] = await Promise.all([
    import('./undici.ts'),
    import('./transport.ts'),
    import('./acme-client.ts'),
  ]);
  const { directory, key, roots, outgoing, eab, requestTimeoutMs = REQUEST_TIMEOUT_MS } = shared;
  const http = shared.http ?? (await openHttp({ roots, outgoing, requestTimeoutMs }));
  const transport = createTransport({ ...shared, http, eab: eab && readExternalAccount(eab) });
  return {
    sessionUntil(deadline: Deadline & Disposable): Session {
      const { signal } = deadline;
      return {
        ...deadline,
        readDirectory: () => transport.readDirectory(deadline),
        get: (url) => transport.get(url, deadline),
        ...createResourceCalls(transport.bind(deadline), { directory, account, jwk: key.jwk, signal }),
      };
    },
    close: () => http.close(),
  };
}

/** Creates an engine; see `createAcme`. */
export function createEngine(options: AcmeOptions): Engine {
  const shared = sharedOf(options);
  const { directory, key, accountUrl, logger, limiter, breaker, observe, now, random, sleep } = shared;
  const account: AccountSlot = { url: accountUrl };
  let connection: ReturnType<typeof connect> | undefined;
  let isClosed = false;
  return {
    directory,
    thumbprint: thumbprintOf(key.jwk),
    accountUrl,
    logger,
    limiter,
    breaker,
    observe,
    now,
    random,
    async open({ signal, deadlineMs = DEADLINE_MS }) {
      if (isClosed) throw new TypeError(`The connection to ${directory} is closed`);
      connection ??= connect(shared, account);
      const { sessionUntil } = await connection;
      signal.throwIfAborted();
      return sessionUntil(startDeadline(directory, { signal, deadlineMs, now, sleep }));
    },
    async close() {
      isClosed = true;
      await (await connection)?.close();
    },
  };
}
