/** Certificates with their opened keys, from a replica that follows the bus: everything that a server needs but TLS itself. */
import { resolve } from 'node:path';
import {
  candidatesOf,
  EventsError,
  type IssuedCertificate,
  type ManagedCertificate,
  parseIdentityFile,
  parseTrust,
  type Trust,
} from '@certbus/events';
import { type Challenge, lineOf } from '@certbus/events/history';
import {
  type BusSource,
  type KeyVault,
  keepUp,
  openReplica,
  ownFolder,
  type Replica,
  ReplicaError,
  replicaPath,
  type SharedNames,
  stateDirectoryOf,
} from '@certbus/replica';
import {
  type ArchivePlace,
  aboveFloor,
  type Bus,
  openBus,
  parseAddress,
  parseArchiveAddress,
  resolveAddress,
} from '@certbus/store';
import { openArchivePlace, openLog } from '@certbus/store/open';
import { checkIn, createOutgoing, type Outgoing } from '@certbus/store/outgoing';
import { ClientError, notOpened } from '../errors.ts';
import { createNotes, createReporter, type Health, type Notes, noteMissing } from '../health.ts';
import { checkInOf, createCheckIns } from '../reporting/check-ins.ts';
import { createClockAlarms } from '../reporting/clock-alarms.ts';
import { logEvents } from '../reporting/logger.ts';
import { createRateLimit } from '../reporting/rate-limit.ts';
import { createReceivedChallenges } from './announced.ts';
import { createChains } from './chain.ts';
import { createChangeWatcher } from './change-watcher.ts';
import { createEmitter, type MaterialEmitter, type MaterialEvents } from './events.ts';
import { createFollowingNotes } from './following-notes.ts';
import { createHttp01Answers } from './http-01-answers.ts';
import { createKeyAlarms, type KeyAlarms, type KeyAlarmsOptions } from './key-alarms.ts';
import { readText } from './key-text.ts';
import type { KeyType } from './key-type.ts';
import { createListener } from './listener.ts';
import { createOpenings, type Openings } from './openings.ts';
import type { MaterialOptions } from './options.ts';
import { type Candidate, type Ranking, rank } from './ranking.ts';
import { checkTimes, MAX_TIMER_MS } from './times.ts';

const INTERVAL_MS = 10_000;
const START_TIMEOUT_MS = 10_000;
const SHORTEST_BEAT_MS = 1_000;
const LONGEST_BEAT_MS = 3_600_000;
const CHECK_IN_LOOK_MS = 1_000;
/** Changes among which a removal is looked for: they take some milliseconds. */
const MAX_LOOKED_THROUGH = 1_000;
/** Names without a certificate that are reported one by one, in a minute. */
const MISSING_A_MINUTE = 10;

/** One managed certificate, for those who list. */
export interface CertificateSummary {
  readonly certificateId: string;
  readonly names: readonly string[];
  readonly serialNumber: string;
  /** SHA-256 of the current leaf's DER, base64url. */
  readonly leafHash: string;
  readonly notAfter: Date;
}

/** How far the bus was read. */
export interface Moment {
  readonly position: number;
  /** Differs where positions cannot be compared, see `lineOf`. */
  readonly line: number;
}

/** What a TLS server needs of one certificate. */
export interface Material {
  readonly certificateId: string;
  /** The certificate that is served, with its names, dates and hash. */
  readonly issued: IssuedCertificate;
  /** PEM, leaf first, without the root. */
  readonly cert: string;
  /** PEM (PKCS#8). */
  readonly key: string;
}

/** Certificates of one bus, kept up to date, for whatever serves them. */
export interface MaterialSource extends AsyncDisposable {
  /** Those that can be served, in order of id. */
  certificates(): Iterable<CertificateSummary>;
  /** One of them; `undefined` where it was removed or never issued, or its row does not read, see {@link MaterialSource.isWhole}. */
  certificate(certificateId: string): CertificateSummary | undefined;
  /**
   * Whether all that the bus says can be relied on to be here. While it is not, since rows of the replica were damaged or lost, what is missing
   * was not necessarily removed, and goes on being used. An alarm says so, and `rebuilt` follows once the bus was read again.
   */
  isWhole(): boolean;
  /**
   * Those of some certificates that are positively not served any more: they were removed, or they are not on the bus at all. The latter counts only
   * once this server has caught up with the bus, and all rows of the replica were checked for it. Empty while the replica is not whole.
   */
  gone(certificateIds: Iterable<string>): Promise<ReadonlySet<string>>;
  /**
   * What is to be served of a certificate: the current leaf or, where it is not valid yet or its key does not open here, a predecessor
   * that is and does, the latter with an alarm. `undefined` where it was removed, was never issued, or no key opens.
   */
  material(certificateId: string): Promise<(Material & Pick<Ranking, 'until'>) | undefined>;
  /**
   * What can be served for a server name in its one form, and where it is known which key types the client can use: for this one.
   */
  ranking(serverName: string, canUse?: (keyType: KeyType) => boolean): Ranking;
  /** Whether a certificate has exactly this name, in its one form; a wildcard counts for itself alone. */
  isNamed(name: string): boolean;
  /** Whether several certificates cover a name of one of them. */
  isShared(name: string): boolean;
  /** A page of names that several certificates cover, see `ReplicaReader.sharedNames`. */
  sharedNames(after: string, limit: number): SharedNames;
  /**
   * Chain and opened key. Rejects `CERTBUS_CLIENT_KEY_NOT_OPENED` where this server cannot use the key; then it is not opened again
   * until the certificate changes.
   */
  open(candidate: Candidate): Promise<Material>;
  /** Whether a certificate covers a server name in its one form. */
  isCovered(serverName: string): boolean;
  /** Up to where `changed` has reported what is on the bus; `undefined` where the replica does not read. Never throws. */
  moment(): Moment | undefined;
  /** Whether a certificate was removed behind a moment; true as well where this cannot be known, or much changed since. Never throws. */
  isRemovedSince(moment: Moment): boolean;
  /** Challenges that the manager has announced to be answered here, HTTP-01 and TLS-ALPN-01. */
  challenges(): readonly Challenge[];
  /**
   * What answers HTTP-01 for a token: the key authorization that was announced for it, else that of the one account whose challenges are
   * answered without announcement; `undefined` where there is neither.
   */
  keyAuthorization(token: string): string | undefined;
  /** Server names that were in use before the last stop, most recent first. */
  recentNames(): readonly string[];
  /** Keeps server names over a restart. */
  keepRecentNames(serverNames: readonly string[]): void;
  /** Notes that a client asked for a name without a certificate, for {@link MaterialSource.health} and the event `missing`. */
  noteMissing(serverName: string): void;
  /** Notes that a candidate cannot be used here, and raises an alarm, once until its certificate changes. */
  refuse(candidate: Candidate, error: ClientError): void;
  /** Raises an alarm about a certificate's key that is used all the same, once until the certificate changes. */
  reportKey(certificateId: string, error: ClientError): void;
  health(): Health;
  on<Event extends keyof MaterialEvents>(event: Event, listener: (...args: MaterialEvents[Event]) => void): this;
  /** Stops following and closes files. */
  close(): Promise<void>;
}

/** What a source is made of. */
interface Serving {
  readonly options: MaterialOptions;
  readonly trust: Trust;
  readonly replica: Replica;
  readonly vault: KeyVault;
  /** Where archives and snapshots are, by address or open. */
  readonly archive: string | ArchivePlace | undefined;
  readonly outgoing: Outgoing | undefined;
  readonly emitter: MaterialEmitter;
  readonly notes: Notes;
  readonly openings: Openings<Material>;
  readonly keyAlarms: KeyAlarms;
  /** Rejects with the first failure of this process that nothing can be begun on. */
  readonly refusal: PromiseWithResolvers<never>;
  readonly now: () => Date;
}

const addressOf = (bus: string | Bus, { busId }: Trust): string =>
  typeof bus === 'string' ? bus : `bus:${busId}/${bus.stream}`;

/** The archive that is named, if any. Throws `CERTBUS_STORE_ADDRESS_INVALID`. */
function archiveOf({ archive }: MaterialOptions): Serving['archive'] {
  const named = (archive ?? process.env['CERTBUS_ARCHIVE']) || undefined;
  if (typeof named !== 'string') return named;
  const place = parseArchiveAddress(named);
  return place.kind === 'folder' ? `file:${resolve(place.path)}` : named;
}

/** The options with every path that is used later taken from the folder that the process is in now: it can go to another one. */
function resolved(options: MaterialOptions): MaterialOptions {
  const { bus, replica, stateDirectory } = options;
  return {
    ...options,
    bus: typeof bus === 'string' ? resolveAddress(bus, process.cwd()) : bus,
    archive: archiveOf(options),
    ...(replica === ':memory:' ? {} : { stateDirectory: resolve(stateDirectory || stateDirectoryOf(process.env)) }),
  };
}

/** Opens a bus on this thread, with the archive that goes with it. */
async function openHere({ options: { bus }, trust, archive, outgoing }: Serving) {
  const isOwnArchive = typeof archive === 'string';
  const place = isOwnArchive ? await openArchivePlace(archive, { outgoing }) : archive;
  const closeArchive = async () => (isOwnArchive ? place?.close() : undefined);
  // A bus that was handed over open is closed by its owner.
  if (typeof bus !== 'string') return { bus: aboveFloor(bus, trust), archive: place, close: closeArchive };
  const opened = openBus(await openLog(bus, { outgoing }), parseAddress(bus).stream, { trust, archive: place });
  const close = async () => {
    await opened.close();
    await closeArchive();
  };
  return { bus: opened, archive: place, close };
}

/** The bus by its address, for the replica's thread; one that is open, or whose archive is, is read here. */
function sourceOf(serving: Serving): BusSource {
  const { options, trust, archive } = serving;
  const { bus, proxy } = options;
  if (typeof bus !== 'string' || typeof archive === 'object') return { open: () => openHere(serving) };
  return { place: { address: bus, trust, archive, proxy } };
}

function pathOfReplica({ bus, stateDirectory = '' }: MaterialOptions, trust: Trust): string {
  const folder = ownFolder(stateDirectory);
  return replicaPath({ stateDirectory: folder, role: 'client', address: addressOf(bus, trust) });
}

/** What the alarm about keys says of the bus; `undefined` where a replica is damaged, which is an alarm of its own. */
function describeBus(replica: Replica, recipient: string): ReturnType<KeyAlarmsOptions['describeBus']> {
  try {
    if (!replica.isWhole()) return undefined;
    const isRecipient = replica.bus().recipients.some((each) => each.recipient === recipient);
    return { isRecipient, served: replica.countServed() };
  } catch {
    return undefined;
  }
}

/** Opens replica and vault; nothing is followed yet. The options are {@link resolved}. */
async function openServing(options: MaterialOptions): Promise<Serving> {
  checkTimes(options);
  if (options.checkIn !== undefined) checkInOf(options.checkIn);
  const trust = parseTrust(readText(options.trust, { option: 'trust', marks: 'certbus1 ', isSecret: false }));
  const { identity, recipient } = await parseIdentityFile(
    readText(options.identity, { option: 'identity', marks: 'AGE-SECRET-KEY-', isSecret: true }),
  );
  const { busId } = trust;
  const inMemory = options.replica === ':memory:';
  const path = inMemory ? ':memory:' : pathOfReplica(options, trust);
  const outgoing = createOutgoing({ proxy: options.proxy, environment: process.env });
  const replica = await openReplica({ path, busId, role: 'client' });
  const vault = await replica.openVault({ identity, recipient });
  const now = options.now ?? (() => new Date());
  const chainOf = createChains(replica.issuer);
  const emitter = createEmitter();
  const keyAlarms = createKeyAlarms({
    describeBus: () => describeBus(replica, recipient),
    raise: (error) => emitter.raise(error),
  });
  const openings = createOpenings({
    async open(candidate) {
      const material = await openCandidate({ vault, chainOf }, candidate);
      keyAlarms.opened();
      return material;
    },
    certificate: (certificateId) => replica.certificate(certificateId),
    isLasting: ({ cause }) => !isOfThisMachine(cause),
  });
  const refusal = Promise.withResolvers<never>();
  // Only a first start waits for it.
  refusal.promise.catch(() => {});
  return {
    options,
    trust,
    replica,
    vault,
    archive: options.archive,
    outgoing,
    emitter,
    refusal,
    notes: createNotes(replica.following(), { reached: replica.checkpoint().position }),
    openings,
    keyAlarms,
    now,
  };
}

/** Throws `CERTBUS_STORE_PROXY_INVALID` where the proxy to the bus is not one. Waiting for the bus would not change it. */
function checkWay({ options: { bus }, outgoing }: Serving): void {
  const place = typeof bus === 'string' ? parseAddress(bus) : undefined;
  if (place?.kind === 'dynamodb') outgoing?.proxyHost(place.endpoint ?? 'https://dynamodb.amazonaws.com');
}

/** Whether a disk or a database caused a failure, which may pass; what age, the key or TLS refuses stays refused. */
const isOfThisMachine = (cause: unknown): boolean =>
  cause instanceof ReplicaError ||
  (cause instanceof Error && !(cause instanceof EventsError) && ('errno' in cause || 'errcode' in cause));

/** Whether nothing can be begun on what a bus holds: it was cut off, or is another line than that of the trust file. */
const isBelowFloor = (error: Error): boolean => 'code' in error && error.code === 'CERTBUS_EVENTS_BELOW_FLOOR';

/** Resolves when there is something to serve from; rejects when a first start finds no bus in time, or one that ends below the floor. */
async function started(serving: Serving): Promise<void> {
  const { options, trust, replica, notes, emitter, refusal } = serving;
  if (notes.live || replica.isComplete()) return;
  checkWay(serving);
  const { signal, startTimeoutMs: ms = START_TIMEOUT_MS } = options;
  signal?.throwIfAborted();
  const ended = Promise.withResolvers<never>();
  const end = () => ended.reject(signal?.reason);
  signal?.addEventListener('abort', end, { once: true });
  let timer: NodeJS.Timeout | undefined;
  const inTime = new Promise<void>((resolve, reject) => {
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
    if (ms <= MAX_TIMER_MS) timer = setTimeout(giveUp, ms);
    emitter.once('live', resolve);
  });
  // What is between a first start and the bus is told where it rejects.
  const keepQuiet = () => {};
  emitter.on('alarm', keepQuiet);
  try {
    await Promise.race([inTime, refusal.promise, ended.promise]);
  } finally {
    signal?.removeEventListener('abort', end);
    emitter.off('alarm', keepQuiet);
    clearTimeout(timer);
  }
}

function writerUnthreaded(cause: Error): ClientError {
  const what = `The file of the thread that writes the replica cannot be loaded, so it is written between handshakes: ${cause.message}. Was the program bundled? Bundle that file as well, see docs/client.md.`;
  return new ClientError('CERTBUS_CLIENT_WRITER_UNTHREADED', what, { cause });
}

/** Raises the alarms of what was found when replica and vault were opened. */
function reportStart({ replica, vault: { problem }, emitter }: Serving): void {
  const { unthreaded } = replica;
  replica.onProblem((error) => emitter.raise(error));
  if (unthreaded) emitter.raise(writerUnthreaded(unthreaded));
  if (problem) emitter.raise(new ReplicaError('CERTBUS_REPLICA_FAILED', problem));
}

function summaryOf({ certificateId, names, current, removed }: ManagedCertificate): CertificateSummary | undefined {
  if (!current || removed) return undefined;
  const { serialNumber, leafHash, notAfter } = current;
  return { certificateId, names, serialNumber, leafHash, notAfter: new Date(notAfter) };
}

function* summaries(replica: Replica): Iterable<CertificateSummary> {
  for (const certificate of replica.certificates()) {
    const summary = summaryOf(certificate);
    if (summary) yield summary;
  }
}

/** What {@link MaterialSource.gone} answers. */
async function goneOf(
  { replica, notes }: Pick<Serving, 'replica' | 'notes'>,
  certificateIds: readonly string[],
): Promise<ReadonlySet<string>> {
  const isUnknown = (id: string) => replica.certificate(id) === undefined;
  const isChecked = notes.live && replica.isWhole() && certificateIds.some(isUnknown) && (await replica.check());
  const gone = certificateIds.filter((id) => {
    const certificate = replica.certificate(id);
    return certificate ? summaryOf(certificate) === undefined : isChecked;
  });
  return new Set(replica.isWhole() ? gone : []);
}

async function openCandidate(
  { vault, chainOf }: { readonly vault: KeyVault; readonly chainOf: ReturnType<typeof createChains> },
  candidate: Candidate,
): Promise<Material> {
  const { certificateId, issued } = candidate;
  try {
    const key = await vault.privateKey(certificateId, issued);
    return { certificateId, issued, cert: chainOf(issued), key };
  } catch (cause) {
    throw notOpened(candidate, cause);
  }
}

/** See {@link MaterialSource.isRemovedSince}. */
function isRemovedSince(replica: Replica, { position, line }: Moment): boolean {
  try {
    const changes = replica.changedSince(position, MAX_LOOKED_THROUGH);
    const isKnown = changes.length < MAX_LOOKED_THROUGH && lineOf(replica.checkpoint()) === line;
    // Last: what was read may have been found damaged by that.
    return !isKnown || changes.some(({ removed }) => removed) || !replica.isWhole();
  } catch {
    return true;
  }
}

/** What can be shown of a ranking where certificates that have ended are refused. */
function withoutExpired(ranking: Ranking, now: Date): Ranking {
  const candidates = ranking.candidates.filter(({ issued }) => Date.parse(issued.notAfter) > now.getTime());
  return { ...ranking, candidates };
}

/** Does something at regular intervals without keeping the process alive; what it throws stops neither it nor the process. */
function repeat(work: () => void, everyMs: number): Disposable {
  const timer = setInterval(() => {
    try {
      work();
    } catch {
      // A replica that is damaged or closed: what follows it reports that.
    }
  }, everyMs).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Checks in where an option says so, until the signal. */
function startCheckIns(serving: Serving, health: () => Health, signal: AbortSignal): Disposable | undefined {
  const { options, outgoing, emitter } = serving;
  if (options.checkIn === undefined) return undefined;
  const settings = checkInOf(options.checkIn);
  const send = (to: string) => checkIn(to, { outgoing, signal });
  const raise = (error: ClientError) => {
    if (!signal.aborted) emitter.raise(error);
  };
  const checkIns = createCheckIns({ ...settings, health, send, raise, elapsed: () => performance.now() });
  const attempt = () => void checkIns.attempt();
  emitter.on('live', attempt);
  // What comes into order between two check-ins is not silent until the next one.
  return repeat(attempt, Math.min(settings.everyMs, CHECK_IN_LOOK_MS));
}

/** Follows the bus; notes how that stands for others, and looks at the clock, at regular intervals. */
function startFollowing(serving: Serving, { health, moved }: { health: () => Health; moved: () => void }) {
  const { options, replica, vault, emitter, notes, refusal, now } = serving;
  const stop = new AbortController();
  const intervalMs = Math.min(options.intervalMs ?? INTERVAL_MS, LONGEST_BEAT_MS);
  const everyMs = Math.max(intervalMs, SHORTEST_BEAT_MS);
  const followingNotes = createFollowingNotes({ replica, notes, everyMs, elapsed: () => performance.now() });
  const checkClock = createClockAlarms((error) => emitter.raise(error));
  const look = () => checkClock(health(), now());
  const changes = createChangeWatcher(serving);
  const listener = createListener({
    replica,
    notes,
    emitter,
    now,
    elapsed: () => performance.now(),
    changed: {
      moved(changed) {
        moved();
        changes.moved(changed);
        look();
      },
      rebuilt(reached) {
        moved();
        changes.rebuilt(reached);
        look();
      },
    },
    noted: followingNotes.update,
  });
  // Known at once, not after the first look.
  if (!replica.advancing && !replica.problem) listener.watching(replica.following());
  const following = keepUp({
    replica,
    source: sourceOf(serving),
    intervalMs,
    signal: stop.signal,
    listener: {
      ...listener,
      failed(error) {
        listener.failed(error);
        if (isBelowFloor(error)) refusal.reject(error);
      },
    },
  });
  // Keys of certificates that were removed while this process was down, or that a replica which was built again does not have.
  const sweep = () => {
    if (notes.live) vault.sweep();
  };
  emitter.on('live', sweep).on('rebuilt', sweep);
  const beats = repeat(() => {
    followingNotes.beat();
    look();
  }, everyMs);
  const checkIns = startCheckIns(serving, health, stop.signal);
  return async () => {
    stop.abort();
    beats[Symbol.dispose]();
    checkIns?.[Symbol.dispose]();
    await following;
  };
}

/** Starts to follow. */
function createSource(serving: Serving): MaterialSource {
  const { options, replica, vault, emitter, notes, openings, keyAlarms, now } = serving;
  const health = createReporter({ replica, notes, now, unopened: openings.refused });
  if (options.logger) logEvents(emitter, options.logger);
  const http01 = createHttp01Answers({ now });
  const received = createReceivedChallenges({ now });
  let challenges: readonly Challenge[] = [];
  let newestCommitAt: Date | undefined;
  let isReceived = false;
  function receive(): void {
    const isComplete = replica.isComplete() && replica.checkpoint().position > 0;
    // What was received counts until a replica that was lost, or the row of the bus in it, was read from the bus again.
    if (isReceived && !isComplete) return;
    isReceived ||= isComplete;
    const bus = replica.bus();
    challenges = received.take(bus.challenges);
    http01.refresh({ accounts: bus.accounts, challenges });
    newestCommitAt = bus.newestAt ? new Date(bus.newestAt) : undefined;
  }
  receive();
  const missing = createRateLimit({ most: MISSING_A_MINUTE, everyMs: 60_000, elapsed: () => performance.now() });
  const stopFollowing = startFollowing(serving, {
    health,
    moved() {
      receive();
      emitter.emit('moved');
    },
  });
  let closing: Promise<void> | undefined;

  function rankingOf(
    certificates: readonly ManagedCertificate[],
    serverName: string,
    canUse?: (keyType: KeyType) => boolean,
  ): Ranking {
    const at = now();
    const ranking = rank(certificates, serverName, { now: at, begun: newestCommitAt, canUse });
    return options.expired === 'refuse' ? withoutExpired(ranking, at) : ranking;
  }
  const ranking: MaterialSource['ranking'] = (serverName, canUse) =>
    rankingOf(replica.lookup(serverName), serverName, canUse);

  async function close(): Promise<void> {
    await stopFollowing();
    await vault.close();
    await replica.close();
  }

  const source: MaterialSource = {
    certificates: () => summaries(replica),
    certificate(certificateId) {
      const certificate = replica.certificate(certificateId);
      return certificate && summaryOf(certificate);
    },
    isWhole: () => replica.isWhole(),
    gone: (certificateIds) => goneOf(serving, [...certificateIds]),
    async material(certificateId) {
      const certificate = replica.certificate(certificateId);
      if (!certificate || certificate.removed) return undefined;
      const { candidates, until } = rankingOf([certificate], certificate.names[0] ?? '');
      for (const candidate of candidates) {
        try {
          return { ...(await openings.open(candidate)), until };
        } catch (error) {
          source.refuse(candidate, error as ClientError);
        }
      }
      return undefined;
    },
    ranking,
    isNamed: (name) => replica.isNamed(name),
    isShared: (name) => replica.isShared(name),
    sharedNames: (after, limit) => replica.sharedNames(after, limit),
    open: (candidate) => openings.open(candidate),
    isCovered: (serverName) =>
      options.expired === 'refuse'
        ? ranking(serverName).candidates.length > 0
        : candidatesOf(serverName).some((name) => replica.isNamed(name)),
    moment() {
      try {
        return { position: notes.reached, line: lineOf(replica.checkpoint()) };
      } catch {
        return undefined;
      }
    },
    isRemovedSince: (moment) => isRemovedSince(replica, moment),
    challenges: () => challenges,
    keyAuthorization: (token) => http01.keyAuthorization(token),
    recentNames: () => vault.recentNames(),
    keepRecentNames: (serverNames) => vault.keepRecentNames(serverNames),
    noteMissing(typed) {
      const serverName = noteMissing(notes, typed);
      const leftOut = missing.take();
      if (leftOut !== undefined) emitter.emit('missing', { serverName, leftOut });
    },
    refuse(candidate, error) {
      if (openings.refuse(candidate, error)) keyAlarms.refused(error);
    },
    reportKey(certificateId, error) {
      if (openings.isDue(certificateId, error.code)) emitter.raise(error);
    },
    health,
    on(event, listen) {
      emitter.on(event, listen as never);
      return source;
    },
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => source.close(),
  };
  return source;
}

/**
 * Follows a bus and opens the keys of its certificates for this server.
 *
 * Resolves at once where a replica exists, whether the bus answers or not; else after the first catch-up, also on a bus without
 * certificates. Rejects `CERTBUS_CLIENT_BUS_UNREACHABLE` when a first start finds no bus in time, `CERTBUS_EVENTS_BELOW_FLOOR` when it
 * finds one that was cut off, `CERTBUS_STORE_PROXY_INVALID`, with what is wrong with the identity or the trust file, with a
 * `ReplicaError`, and with the reason of `signal` where that ends a first start.
 */
export async function openMaterial(options: MaterialOptions): Promise<MaterialSource> {
  const serving = await openServing(resolved(options));
  const source = createSource(serving);
  try {
    await started(serving);
    // Not before the caller could have begun to listen.
    setImmediate(() => reportStart(serving));
    return source;
  } catch (error) {
    await source.close();
    throw error;
  }
}
