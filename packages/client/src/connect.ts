/** Serves TLS from the certificates of a bus. */
import { EventEmitter } from 'node:events';
import { createSecureContext, type Server, type TlsOptions } from 'node:tls';
import { normalizeServerName } from '@certbus/events';
import type { CertBus, ClientEvents, ConnectOptions } from './cert-bus.ts';
import { answerHttp01 } from './http-01.ts';
import { type MaterialSource, openMaterial } from './serving/material-source.ts';
import { createChallenges } from './tls/challenges.ts';
import { type ContextCache, createContextCache } from './tls/context-cache.ts';
import { makeContext } from './tls/contexts.ts';
import { showDefaultCertificates } from './tls/default-certificates.ts';
import { createDefaults } from './tls/defaults.ts';
import { hideDefaultFromNamed } from './tls/named-connections.ts';
import { answerTlsAlpn01 } from './tls/tls-alpn-01.ts';
import { createSniCallback, guardResumption, rotateTicketKeys } from './tls/tls-server.ts';

const CACHE_SIZE = 10_000;
const KEPT_NAMES = 1_000;
const KEEP_NAMES_EVERY_MS = 60_000;

/** Makes the contexts that were in use before a restart, one a turn of the event loop. */
async function warm(source: MaterialSource, contexts: ContextCache, signal: AbortSignal): Promise<void> {
  for (const name of source.recentNames()) {
    if (signal.aborted) return;
    await contexts.get(name).catch(() => {});
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The cache of TLS contexts, which drops those of certificates that change. */
function createContexts(source: MaterialSource, now: () => Date, size: number): ContextCache {
  const making = {
    source,
    build: ({ cert, key }: { readonly cert: string; readonly key: string }) => createSecureContext({ cert, key }),
    now,
  };
  const contexts = createContextCache({
    size,
    now: () => now().getTime(),
    make: (serverName) => makeContext(making, serverName),
  });
  source.on('changed', ({ certificateId, names }) => contexts.drop(certificateId, names));
  source.on('rebuilt', () => contexts.clear());
  return contexts;
}

function serve(source: MaterialSource, options: ConnectOptions): CertBus {
  const { now = () => new Date(), cacheSize = CACHE_SIZE, defaultName } = options;
  const stop = new AbortController();
  const contexts = createContexts(source, now, cacheSize);
  const challenges = createChallenges({ build: createSecureContext, now });
  challenges.refresh(source.challenges());
  source.on('moved', () => challenges.refresh(source.challenges()));
  const warming = warm(source, contexts, stop.signal);
  const keepNames = () => source.keepRecentNames(contexts.recent().slice(0, KEPT_NAMES));
  const timer = setInterval(keepNames, KEEP_NAMES_EVERY_MS).unref();
  const defaults = createDefaults({ source, defaultName, now });
  const missing = new EventEmitter<Pick<ClientEvents, 'missing'>>();
  const sniCallback = createSniCallback({
    contexts,
    hasDefault: defaults.isFound,
    onMissing(serverName) {
      source.noteMissing(serverName);
      missing.emit('missing', { serverName });
    },
  });
  let settings: TlsOptions = {};
  let closing: Promise<void> | undefined;

  function attach<S extends Server>(server: S): S {
    hideDefaultFromNamed(server, settings);
    const shown = showDefaultCertificates(server, { find: defaults.find, own: settings, now });
    answerTlsAlpn01(server, challenges);
    guardResumption(server, source.isCovered);
    source.on('changed', ({ removed }) => {
      shown.forget();
      if (removed) rotateTicketKeys(server);
    });
    source.on('rebuilt', () => {
      shown.forget();
      rotateTicketKeys(server);
    });
    return server;
  }

  async function close(): Promise<void> {
    stop.abort();
    clearInterval(timer);
    await warming;
    keepNames();
    await source.close();
  }

  const client: CertBus = {
    tlsOptions<Options extends TlsOptions>(own?: Options) {
      settings = own ?? {};
      return { ...(own as Options), SNICallback: sniCallback };
    },
    sniCallback,
    attach,
    acmeHttpHandler: (request, response) => answerHttp01(request, response, source.keyAuthorization),
    async secureContextFor(typed) {
      const name = normalizeServerName(typed);
      return name ? contexts.get(name) : undefined;
    },
    health: () => source.health(),
    certificates: () => source.certificates(),
    on(event, listen) {
      if (event === 'missing') missing.on(event, listen as never);
      else source.on(event, listen as never);
      return client;
    },
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => client.close(),
  };
  return client;
}

/**
 * Connects a load balancer to a bus: follows it, keeps a replica, and answers TLS server names from it.
 *
 * Resolves at once where a replica exists, whether the bus answers or not; else after the first catch-up, also on a bus without
 * certificates. Rejects `CERTBUS_CLIENT_BUS_UNREACHABLE` when a first start finds no bus in time, `CERTBUS_EVENTS_BELOW_FLOOR` when it
 * finds one that was cut off, `CERTBUS_STORE_PROXY_INVALID`, with what is wrong with the identity or the trust file, and with a
 * `ReplicaError`.
 */
export async function connect(options: ConnectOptions): Promise<CertBus> {
  return serve(await openMaterial(options), options);
}
