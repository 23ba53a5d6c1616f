/** Opens sessions with a CA, over one connection that is loaded and opened when the first of them needs it. */
import { setTimeout as wait } from 'node:timers/promises';
import { type AccountKey, readAccountKey, thumbprintOf } from '../account/account-key.ts';
import { readExternalAccount } from '../account/external-account.ts';
import type { AcmeOptions } from '../acme.ts';
import { type CaGuards, createCaLimiter, guardsOf } from '../limits/ca-limiter.ts';
import { type Deadline, startDeadline } from '../limits/deadline.ts';
import type { AccountSlot, ResourceCalls } from './acme-client.ts';
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

/** Loads the calls with the first of them: who only reads the directory or renewal information saves a fifth of the memory of a process. */
function lateCalls(load: () => Promise<ResourceCalls>): ResourceCalls {
  let loading: Promise<ResourceCalls> | undefined;
  const calls = () => (loading ??= load());
  return {
    createAccount: async (request) => (await calls()).createAccount(request),
    accountUrl: async () => (await calls()).accountUrl(),
    findAccount: async (key) => (await calls()).findAccount(key),
    readAccount: async () => (await calls()).readAccount(),
    updateAccount: async (request) => (await calls()).updateAccount(request),
    changeKey: async (newKey) => (await calls()).changeKey(newKey),
    createOrder: async (request) => (await calls()).createOrder(request),
    read: async (url) => (await calls()).read(url),
    answer: async (challengeUrl) => (await calls()).answer(challengeUrl),
    finalize: async (url, csr) => (await calls()).finalize(url, csr),
    revoke: async (request, certificateKey) => (await calls()).revoke(request, certificateKey),
  };
}

/** Loads what talks to the CA: only now, so that importing the package stays cheap. */
async function connect(shared: Shared, account: AccountSlot) {
  const [{ openHttp }, { createTransport }] = await Promise.all([import('./undici.ts'), import('./transport.ts')]);
  const { directory, key, roots, outgoing, eab, requestTimeoutMs = REQUEST_TIMEOUT_MS } = shared;
  const http = shared.http ?? (await openHttp({ roots, outgoing, requestTimeoutMs }));
  const transport = createTransport({ ...shared, http, eab: eab && readExternalAccount(eab) });
  return {
    sessionUntil(deadline: Deadline & Disposable): Session {
      const load = async () => {
        const { createResourceCalls } = await import('./acme-client.ts');
        const { signal } = deadline;
        return createResourceCalls(transport.bind(deadline), { directory, account, jwk: key.jwk, signal });
      };
      return {
        ...deadline,
        readDirectory: () => transport.readDirectory(deadline),
        get: (url) => transport.get(url, deadline),
        ...lateCalls(load),
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
