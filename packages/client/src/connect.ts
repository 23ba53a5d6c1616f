import { homedir } from 'node:os';
import { createSecureContext, type TlsOptions } from 'node:tls';
import { parseIdentityFile, parseTrust, type Trust } from '@certbus/events';
import { openReplica, type Replica, replicaPath, resolveStateDirectory } from '@certbus/replica';
import { type ArchivePlace, type Bus, openBus, parseAddress } from '@certbus/store';
import { openArchivePlace, openLog } from '@certbus/store/open';
import type { CertBus, CertificateSummary, ConnectOptions } from './cert-bus.ts';
import { createDefaults, nameOf } from './defaults.ts';
import { createEmitter } from './emitter.ts';
import { ClientError } from './errors.ts';
import { keepUp } from './follower.ts';
import { type Notes, report } from './health.ts';
import { answerHttp01 } from './http-01.ts';
import { createChangeWatcher, createContexts, createListener, noteMissing, type Parts } from './parts.ts';
import { readText } from './serving/key-text.ts';
import { openKeyVault } from './serving/key-vault.ts';
import { createChallenges } from './tls/challenges.ts';
import type { ContextCache } from './tls/context-cache.ts';
import { showDefaultCertificates } from './tls/default-certificates.ts';
import { answerTlsAlpn01 } from './tls/tls-alpn-01.ts';
import { createSniCallback, guardResumption, rotateTicketKeys } from './tls/tls-server.ts';

const INTERVAL_MS = 10_000;
const START_TIMEOUT_MS = 10_000;
const KEPT_NAMES = 1_000;
const KEEP_NAMES_EVERY_MS = 60_000;

const addressOf = (bus: string | Bus, { busId }: Trust): string =>
  typeof bus === 'string' ? bus : `bus:${busId}/${bus.stream}`;

/** The archive, and whether it is ours to close. */
async function openArchive({
  archive,
}: ConnectOptions): Promise<{ place: ArchivePlace | undefined; close(): unknown }> {
  const address = archive ?? process.env['CERTBUS_ARCHIVE'];
  if (address === undefined || address === '') return { place: undefined, close() {} };
  if (typeof address !== 'string') return { place: address, close() {} };
  const place = await openArchivePlace(address);
  return { place, close: () => place.close() };
}

function busOpener({ bus }: ConnectOptions, trust: Trust, archive: ArchivePlace | undefined): () => Promise<Bus> {
  // A bus that was handed over open is closed by whoever opened it.
  if (typeof bus !== 'string') return async () => ({ ...bus, close: async () => {} });
  const { stream } = parseAddress(bus);
  return async () => openBus(await openLog(bus), stream, { trust, archive });
}

function createNotes(): Notes {
  return {
    live: false,
    answers: 0,
    following: false,
    lastContactAt: undefined,
    trouble: undefined,
    missingNames: new Set(),
    unopenedKeys: new Set(),
  };
}

/** Resolves when the client has something to serve from; rejects when a first start finds no bus in time. */
async function started({ options, trust, replica, notes, emitter }: Parts): Promise<void> {
  if (notes.live || replica.checkpoint().position > 0) return;
  const ms = options.startTimeoutMs ?? START_TIMEOUT_MS;
  await new Promise<void>((resolve, reject) => {
    let { answers } = notes;
    const giveUp = () => {
      // A large bus takes longer than that to read: as long as it answers, this goes on.
      if (notes.answers > answers) {
        ({ answers } = notes);
        timer = setTimeout(giveUp, ms);
        return;
      }
      const address = addressOf(options.bus, trust);
      const why = notes.trouble ? ` ${notes.trouble.message}` : '';
      const what = `The bus ${address} did not answer within ${ms / 1000} s, and this server has no replica to start from.${why} Check the address, the network and the credentials; once it has started, this server goes on without the bus.`;
      reject(new ClientError('CERTBUS_CLIENT_BUS_UNREACHABLE', what, { cause: notes.trouble }));
    };
    let timer = setTimeout(giveUp, ms);
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

function openClient(parts: Parts): CertBus {
  const { options, replica, vault, emitter, notes, trust, now, archive } = parts;
  const stop = new AbortController();
  const contexts = createContexts(parts);
  const watchChanges = createChangeWatcher(parts, contexts);
  const challenges = createChallenges({ build: createSecureContext, now });
  const changed = () => {
    challenges.refresh(replica.bus().challenges);
    watchChanges();
  };
  challenges.refresh(replica.bus().challenges);
  const intervalMs = options.intervalMs ?? INTERVAL_MS;
  const listener = createListener(parts, changed);
  const following = keepUp({
    replica,
    openBus: busOpener(options, trust, archive.place),
    archive: archive.place,
    intervalMs,
    signal: stop.signal,
    listener,
  });
  const warming = warm(parts, contexts, stop.signal);
  const keepNames = () => vault.keepRecentNames(contexts.recent().slice(0, KEPT_NAMES));
  const timer = setInterval(keepNames, KEEP_NAMES_EVERY_MS).unref();
  const defaults = createDefaults(parts);
  let settings: TlsOptions = {};
  const sniCallback = createSniCallback({
    contexts,
    hasDefault: defaults.isFound,
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
    await archive.close();
  }

  const client: CertBus = {
    tlsOptions<Options extends TlsOptions>(own?: Options) {
      settings = own ?? {};
      return { ...(own as Options), SNICallback: sniCallback };
    },
    sniCallback,
    attach(server) {
      const shown = showDefaultCertificates(server, { find: defaults.find, own: settings });
      answerTlsAlpn01(server, challenges);
      guardResumption(server, (serverName) => replica.lookup(serverName).length > 0);
      emitter.on('changed', ({ removed }) => {
        shown.forget();
        if (removed) rotateTicketKeys(server);
      });
      emitter.on('rebuilt', () => {
        shown.forget();
        rotateTicketKeys(server);
      });
      return server;
    },
    acmeHttpHandler: (request, response) => answerHttp01(request, response, replica.bus().accounts.at(-1)?.thumbprint),
    async secureContextFor(typed) {
      const name = nameOf(typed);
      return name ? contexts.get(name) : undefined;
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
  const archive = await openArchive(options);
  const replica = await openReplica({ path, busId });
  const vault = await openKeyVault({ path: inMemory ? ':memory:' : `${path}.keys`, busId, identity, recipient });
  const parts = {
    options,
    trust,
    replica,
    vault,
    archive,
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
