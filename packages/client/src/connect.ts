/** Serves TLS from the certificates of a bus. */
import { createSecureContext } from 'node:tls';
import { normalizeServerName } from '@certbus/events';
import type { CertBus, ConnectOptions, ServerOptions } from './cert-bus.ts';
import { keyTypeUnused, unfitForDefault } from './errors.ts';
import { answerHttp01 } from './http-01.ts';
import { type Material, type MaterialSource, openMaterial } from './serving/material-source.ts';
import { createAttachedServers } from './tls/attached-servers.ts';
import { createChallenges } from './tls/challenges.ts';
import { startCoarseClock } from './tls/coarse-clock.ts';
import { createContexts, handOut } from './tls/contexts.ts';
import { createDefaults } from './tls/defaults.ts';
import { createEnded } from './tls/ended.ts';
import { type KeyTypeScan, scanKeyTypes } from './tls/key-type-scan.ts';
import { createNameMap, type NameMap } from './tls/name-map.ts';
import { createNamesByServer, type NamesByServer } from './tls/names-by-server.ts';
import { serverOf } from './tls/server-sockets.ts';
import { createSniCallback } from './tls/tls-server.ts';

const CACHE_SIZE = 10_000;
/** A certificate has seldom more names in use. */
const NAMES_PER_CONTEXT = 4;
const KEPT_NAMES = 1_000;
const KEEP_NAMES_EVERY_MS = 60_000;

/** Makes contexts before anybody asks for them. */
interface Warmer {
  /** Takes server names, which come behind those before. */
  add(serverNames: readonly string[], map: NameMap): void;
  /** Resolves once it is at work no longer. */
  ended(): Promise<void>;
}

/** Makes what makes contexts, one a turn of the event loop, until the signal. */
function createWarmer(signal: AbortSignal): Warmer {
  let last = Promise.resolve();

  async function warm(serverNames: readonly string[], map: NameMap): Promise<void> {
    for (const serverName of serverNames) {
      await new Promise((resolve) => setImmediate(resolve));
      if (signal.aborted) return;
      try {
        await map.find(serverName, () => undefined);
      } catch {
        // Closed or damaged: a handshake meets the same and says so.
      }
    }
  }
  return {
    add(serverNames, map) {
      if (serverNames.length > 0) last = last.then(() => warm(serverNames, map));
    },
    ended: () => last,
  };
}

/** Makes what answers server names, and keeps it up to date with the source. */
function createNames(source: MaterialSource, { nowMs, size, scan, warmer }: NamesOptions): NamesByServer {
  const served = createNamesByServer({
    make(trust) {
      const build = ({ cert, key }: Material) => createSecureContext({ ...trust, cert, key });
      const contexts = createContexts({ source, build, size });
      const names = createNameMap({
        source,
        contexts,
        size: size * NAMES_PER_CONTEXT,
        now: nowMs,
        onKeyTypes: scan.found,
      });
      return { names, contexts };
    },
    onMade: ({ names }, inUse = source.recentNames()) => warmer.add(inUse, names),
  });
  source.on('changed', (change) => {
    for (const { contexts, names } of served.all()) {
      const inUse = contexts.drop(change.certificateId);
      names.forget(change.names);
      // No client waits for the key of what was renewed.
      warmer.add(inUse, names);
    }
    scan.look(change.names);
  });
  source.on('rebuilt', () => {
    for (const { contexts, names } of served.all()) {
      contexts.clear();
      names.clear();
    }
    scan.begin();
  });
  return served;
}

/** The first names of several lists, one of each in turn. */
function firstOf(lists: readonly (readonly string[])[]): string[] {
  const longest = Math.max(...lists.map(({ length }) => length));
  const first = new Set<string>();
  for (let place = 0; place < longest && first.size < KEPT_NAMES; place += 1)
    for (const name of lists.flatMap((names) => names[place] ?? [])) first.add(name);
  return [...first].slice(0, KEPT_NAMES);
}

interface NamesOptions {
  readonly nowMs: () => number;
  readonly size: number;
  readonly scan: KeyTypeScan;
  readonly warmer: Pick<Warmer, 'add'>;
}

/** Whether a name is covered; where the replica was closed, or not all of it can be read, what was served stays served. */
function isCoveredBy(source: MaterialSource, serverName: string): boolean {
  try {
    return source.isCovered(serverName) || !source.isWhole();
  } catch {
    return true;
  }
}

function serve(source: MaterialSource, options: ConnectOptions): CertBus {
  const { now = () => new Date(), cacheSize: size = CACHE_SIZE, defaultName } = options;
  const stop = new AbortController();
  const nowMs = options.now ? () => now().getTime() : startCoarseClock(stop.signal);
  const scan = scanKeyTypes(source, stop.signal);
  const warmer = createWarmer(stop.signal);
  const served = createNames(source, { nowMs, size, scan, warmer });
  const { names } = served.common;
  const challenges = createChallenges({ build: createSecureContext, now });
  challenges.refresh(source.challenges());
  source.on('moved', () => challenges.refresh(source.challenges()));
  warmer.add(source.recentNames(), names);
  const keepNames = () => source.keepRecentNames(firstOf(served.recent()));
  const timer = setInterval(keepNames, KEEP_NAMES_EVERY_MS).unref();
  const defaults = createDefaults({ source, defaultName, now });
  const isCovered = (serverName: string) => isCoveredBy(source, serverName);
  const ended = createEnded(source, { expired: options.expired, nowMs });
  source.on('moved', ended.refresh);
  const servers = createAttachedServers({
    defaults,
    onUnfit: (pair, cause) => source.reportKey(pair.certificateId, unfitForDefault(pair, cause)),
    challenges,
    removals: source,
    isCovered,
    // In TLS 1.2 only the ClientHello says for which name a session is resumed.
    needsHello: () => scan.isNeeded() || ended.isAny(),
    now,
  });
  source.on('changed', servers.refresh);
  source.on('rebuilt', servers.clear);
  const sniCallback = createSniCallback({
    namesOf: (server) => served.of(server).names,
    serverOf,
    abilityOf: servers.abilityOf,
    onKeyTypeUnused: (name, { certificateId }) => source.reportKey(certificateId, keyTypeUnused(name)),
    hasDefault: defaults.isFound,
    onMissing: source.noteMissing,
  });
  let closing: Promise<void> | undefined;

  async function close(): Promise<void> {
    stop.abort();
    clearInterval(timer);
    await warmer.ended();
    keepNames();
    await source.close();
  }

  const client: CertBus = {
    tlsOptions: <Options extends ServerOptions>(own?: Options) => ({ ...(own as Options), SNICallback: sniCallback }),
    sniCallback,
    attach(server) {
      servers.attach(server);
      // What it needs contexts of its own for is made from now on, and not from its first handshake on.
      served.of(server);
      return server;
    },
    acmeHttpHandler: (request, response) => answerHttp01(request, response, source.keyAuthorization),
    async secureContextFor(typed) {
      const name = normalizeServerName(typed);
      const found = name ? await names.find(name, () => undefined) : undefined;
      return found && handOut(found);
    },
    health: () => source.health(),
    certificates: () => source.certificates(),
    on(event, listen) {
      source.on(event, listen as never);
      return client;
    },
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => client.close(),
  };
  return client;
}

/** Throws a `TypeError` for a default name that no client could mean: its certificate would never be found. */
function checkDefaultName({ defaultName }: Pick<ConnectOptions, 'defaultName'>): void {
  if (defaultName === undefined || normalizeServerName(defaultName)) return;
  const what = `The option "defaultName" is neither a host name nor an IP address: ${JSON.stringify(defaultName)}.`;
  throw new TypeError(`${what} For the certificate of a wildcard give a name that it covers.`);
}

/**
 * Connects a load balancer to a bus: follows it, keeps a replica, and answers TLS server names from it.
 *
 * Resolves at once where a replica exists, whether the bus answers or not; else after the first catch-up, also on a bus without
 * certificates. Rejects `CERTBUS_CLIENT_BUS_UNREACHABLE` when a first start finds no bus in time, `CERTBUS_EVENTS_BELOW_FLOOR` when it
 * finds one that was cut off, `CERTBUS_STORE_PROXY_INVALID`, with what is wrong with the identity or the trust file, with a `TypeError` for an
 * option that is not one, and with a `ReplicaError`.
 */
export async function connect(options: ConnectOptions): Promise<CertBus> {
  checkDefaultName(options);
  return serve(await openMaterial(options), options);
}
