import type { IncomingMessage, ServerResponse } from 'node:http';
import { homedir } from 'node:os';
import { createSecureContext, type SecureContext, type Server, type TlsOptions } from 'node:tls';
import { normalizeServerName, parseIdentityFile, parseTrust, type Trust } from '@certbus/events';
import { openReplica, type Replica, replicaPath, resolveStateDirectory } from '@certbus/replica';
import { type Bus, openBus, parseAddress } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { answerHttp01 } from './adapters/http-01.ts';
import { readText } from './adapters/key-text.ts';
import { type KeyVault, openKeyVault } from './adapters/key-vault.ts';
import { createSniCallback, guardResumption, rotateTicketKeys, type SniCallback } from './adapters/tls-server.ts';
import { type ContextCache, createContextCache } from './context-cache.ts';
import { makeContext } from './contexts.ts';
import { type ClientEmitter, type ClientEvents, createEmitter } from './emitter.ts';
import { ClientError } from './errors.ts';
import { type FollowerListener, keepUp } from './follower.ts';
import { type Health, type Notes, report } from './health.ts';

export interface ConnectOptions {
  /** Address of the bus, or the bus itself. */
  readonly bus: string | Bus;
  /** This group's age identity: a path, or the text. */
  readonly identity: string;
  /** The bus's trust line: a path, or the text. */
  readonly trust: string;
  /** Folder of the replica; default `$CERTBUS_STATE_DIR`, `$STATE_DIRECTORY` or the platform's. */
  readonly stateDirectory?: string;
  /** `:memory:` for a replica that ends with the process; default a file. */
  readonly replica?: ':memory:';
  /** Time between two looks at a quiet bus, milliseconds; default 10,000. */
  readonly intervalMs?: number;
  /** How long a first start waits for the bus, milliseconds; default 10,000. A start from a replica never waits. */
  readonly startTimeoutMs?: number;
  /** TLS contexts kept at most; default 10,000, which take about 0.5 GB. */
  readonly cacheSize?: number;
  /** The name whose certificate clients without a server name get; default none, and they are refused. */
  readonly defaultName?: string;
  readonly now?: () => Date;
}

/** One managed certificate, for those who list. */
export interface CertificateSummary {
  readonly certificateId: string;
  readonly names: readonly string[];
  readonly serialNumber: string;
  readonly notAfter: Date;
}

/** A load balancer's connection to a bus. */
export interface CertBus extends AsyncDisposable {
  /** Options for `tls.createServer` and `https.createServer`, with yours. */
  tlsOptions<Options extends TlsOptions>(options?: Options): Options & { SNICallback: SniCallback };
  /** For servers that want only this. */
  readonly sniCallback: SniCallback;
  /** Gives a server a default certificate where one is configured, and ends resumed sessions of removed names. Returns the server. */
  attach<S extends Server>(server: S): S;
  /** Answers HTTP-01 challenges; false, and nothing done, for any other request. */
  acmeHttpHandler(request: IncomingMessage, response: ServerResponse): boolean;
  /** The TLS context for a server name as a client typed it; `undefined` where no certificate covers it. */
  secureContextFor(serverName: string): Promise<SecureContext | undefined>;
  health(): Health;
  certificates(): Iterable<CertificateSummary>;
  on<Event extends keyof ClientEvents>(event: Event, listener: (...args: ClientEvents[Event]) => void): this;
  /** Stops following and lets go of files. Servers go on with the contexts that they hold. */
  close(): Promise<void>;
}

const INTERVAL_MS = 10_000;
const START_TIMEOUT_MS = 10_000;
const CACHE_SIZE = 10_000;
const MAX_MISSING = 100;
const KEPT_NAMES = 1_000;
const KEEP_NAMES_EVERY_MS = 60_000;

interface Parts {
  readonly options: ConnectOptions;
  readonly trust: Trust;
  readonly replica: Replica;
  readonly vault: KeyVault;
  readonly emitter: ClientEmitter;
  readonly notes: Notes;
  readonly now: () => Date;
}

const addressOf = (bus: string | Bus, { busId }: Trust): string =>
  typeof bus === 'string' ? bus : `bus:${busId}/${bus.stream}`;

function busOpener({ bus }: ConnectOptions, trust: Trust): () => Promise<Bus> {
  // A bus that was handed over open is closed by whoever opened it.
  if (typeof bus !== 'string') return async () => ({ ...bus, close: async () => {} });
  const { stream } = parseAddress(bus);
  return async () => openBus(await openLog(bus), stream, { trust });
}

function createNotes(): Notes {
  return {
    live: false,
    following: false,
    lastContactAt: undefined,
    trouble: undefined,
    missingNames: new Set(),
    unopenedKeys: new Set(),
  };
}

/** Notes and tells what was asked for in vain; a scanner's names do not pile up. */
function noteMissing({ notes, emitter }: Parts, serverName: string): void {
  const { missingNames } = notes;
  missingNames.delete(serverName);
  missingNames.add(serverName);
  if (missingNames.size > MAX_MISSING) missingNames.delete([...missingNames][0] ?? '');
  emitter.emit('missing', { serverName });
}

function createContexts(parts: Parts): ContextCache {
  const { replica, vault, notes, options, now } = parts;
  const source = {
    replica,
    privateKey: vault.privateKey,
    build: createSecureContext,
    now,
    alarm: (error: Error) => {
      // Once a key, not once a handshake.
      if (notes.unopenedKeys.has(error.message)) return;
      notes.unopenedKeys.add(error.message);
      parts.emitter.emit('alarm', error);
    },
  };
  const size = options.cacheSize ?? CACHE_SIZE;
  return createContextCache({
    size,
    now: () => now().getTime(),
    make: (serverName) => makeContext(source, serverName),
  });
}

/** Drops the contexts of what changed in the replica since the last look, and tells of it. */
function createChangeWatcher({ replica, vault, notes, emitter }: Parts, contexts: ContextCache): () => void {
  let { position } = replica.checkpoint();
  return () => {
    // A replica that was begun anew is behind what was seen of the one before.
    if (replica.checkpoint().position < position) contexts.clear();
    const changes = replica.changedSince(Math.min(position, replica.checkpoint().position));
    position = replica.checkpoint().position;
    for (const { certificateId, names } of changes) {
      const certificate = replica.certificate(certificateId);
      const removed = certificate?.removed ?? true;
      if (!removed && !certificate?.current) continue;
      contexts.drop(certificateId, names);
      notes.unopenedKeys.clear();
      if (removed) vault.forget(certificateId);
      emitter.emit('changed', { certificateId, names, removed });
    }
  };
}

function createListener({ notes, emitter, now }: Parts, changed: () => void): FollowerListener {
  const becomeLive = () => {
    if (notes.live) return;
    notes.live = true;
    emitter.emit('live');
  };
  return {
    contact({ live }) {
      notes.lastContactAt = now();
      notes.following = true;
      if (live) {
        notes.trouble = undefined;
        becomeLive();
      }
    },
    moved: changed,
    watching() {
      notes.following = false;
      notes.trouble = undefined;
      becomeLive();
    },
    trouble(error) {
      const isNew = notes.trouble?.message !== error.message;
      notes.trouble = error;
      if (isNew) emitter.emit('alarm', error);
    },
  };
}

/** Resolves when the client has something to serve from; rejects when a first start finds no bus in time. */
async function started({ options, trust, replica, notes, emitter }: Parts): Promise<void> {
  if (notes.live || replica.checkpoint().position > 0) return;
  const ms = options.startTimeoutMs ?? START_TIMEOUT_MS;
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      const address = addressOf(options.bus, trust);
      const why = notes.trouble ? ` ${notes.trouble.message}` : '';
      const what = `The bus ${address} did not answer within ${ms / 1000} s, and this server has no replica to start from.${why} Check the address, the network and the credentials; once it has started, this server goes on without the bus.`;
      reject(new ClientError('CERTBUS_CLIENT_BUS_UNREACHABLE', what, { cause: notes.trouble }));
    }, ms);
    emitter.once('live', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function replicaSetAside(path: string): ClientError {
  const what = `The replica was damaged or not of this release; it was set aside as ${path}, and the bus is read anew. Look at the disk.`;
  return new ClientError('CERTBUS_CLIENT_REPLICA_SET_ASIDE', what);
}

/** Makes the contexts that were in use before a restart, one a turn of the event loop. */
async function warm({ vault }: Parts, contexts: ContextCache, signal: AbortSignal): Promise<void> {
  for (const name of vault.recentNames()) {
    if (signal.aborted) return;
    await contexts.get(name).catch(() => {});
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function* summaries(replica: Replica): Iterable<CertificateSummary> {
  for (const { certificateId, names, current } of replica.certificates()) {
    if (!current) continue;
    yield { certificateId, names, serialNumber: current.serialNumber, notAfter: new Date(current.notAfter) };
  }
}

/** Keeps a server's default certificate that of the default name. */
function keepDefault(server: Server, defaultName: string, { replica, vault, emitter, now }: Parts): void {
  const set = () =>
    makeContext(
      {
        replica,
        privateKey: vault.privateKey,
        build(material) {
          server.setSecureContext(material);
          return createSecureContext();
        },
        alarm: (error) => emitter.emit('alarm', error),
        now,
      },
      defaultName,
    ).catch((error: Error) => emitter.emit('alarm', error));
  void set();
  emitter.on('changed', () => void set());
}

function openClient(parts: Parts): CertBus {
  const { options, replica, vault, emitter, notes, trust, now } = parts;
  const stop = new AbortController();
  const contexts = createContexts(parts);
  const changed = createChangeWatcher(parts, contexts);
  const intervalMs = options.intervalMs ?? INTERVAL_MS;
  const listener = createListener(parts, changed);
  const following = keepUp({ replica, openBus: busOpener(options, trust), intervalMs, signal: stop.signal, listener });
  const warming = warm(parts, contexts, stop.signal);
  const keepNames = () => vault.keepRecentNames(contexts.recent().slice(0, KEPT_NAMES));
  const timer = setInterval(keepNames, KEEP_NAMES_EVERY_MS).unref();
  const hasDefault = options.defaultName !== undefined;
  const sniCallback = createSniCallback({
    contexts,
    hasDefault,
    onMissing: (serverName) => noteMissing(parts, serverName),
  });
  let closing: Promise<void> | undefined;

  async function close(): Promise<void> {
    stop.abort();
    clearInterval(timer);
    await Promise.all([following, warming]);
    keepNames();
    vault.close();
    await replica.close();
  }

  const client: CertBus = {
    tlsOptions: <Options extends TlsOptions>(own?: Options) => ({ ...(own as Options), SNICallback: sniCallback }),
    sniCallback,
    attach(server) {
      if (options.defaultName) keepDefault(server, options.defaultName, parts);
      guardResumption(server, (serverName) => replica.lookup(serverName).length > 0);
      emitter.on('changed', ({ removed }) => {
        if (removed) rotateTicketKeys(server);
      });
      return server;
    },
    acmeHttpHandler: (request, response) => answerHttp01(request, response, replica.bus().accounts.at(-1)?.thumbprint),
    async secureContextFor(typed) {
      const serverName = normalizeServerName(typed);
      return serverName ? contexts.get(serverName) : undefined;
    },
    health: () => report(replica, notes, now()),
    certificates: () => summaries(replica),
    on(event, listen) {
      emitter.on(event, listen as never);
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
 * certificates. Rejects `CERTBUS_CLIENT_BUS_UNREACHABLE` when a first start finds no bus in time, with what is wrong with the
 * identity or the trust line, and with a `ReplicaError`.
 */
export async function connect(options: ConnectOptions): Promise<CertBus> {
  const trust = parseTrust(readText(options.trust, { marks: 'certbus1 ', isSecret: false }));
  const { identity, recipient } = await parseIdentityFile(
    readText(options.identity, { marks: 'AGE-SECRET-KEY-', isSecret: true }),
  );
  const { busId } = trust;
  const inMemory = options.replica === ':memory:';
  const surroundings = { env: process.env, platform: process.platform, home: homedir() };
  const stateDirectory = options.stateDirectory ?? resolveStateDirectory(surroundings);
  const path = inMemory
    ? ':memory:'
    : replicaPath({ stateDirectory, role: 'client', address: addressOf(options.bus, trust) });
  const replica = await openReplica({ path, busId });
  const vault = await openKeyVault({ path: inMemory ? ':memory:' : `${path}.keys`, busId, identity, recipient });
  const parts = {
    options,
    trust,
    replica,
    vault,
    emitter: createEmitter(),
    notes: createNotes(),
    now: options.now ?? (() => new Date()),
  };
  const client = openClient(parts);
  try {
    await started(parts);
    const { setAside } = replica;
    // Not before the caller could have begun to listen.
    if (setAside) setImmediate(() => parts.emitter.emit('alarm', replicaSetAside(setAside)));
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
}
