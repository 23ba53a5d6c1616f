/** Brings a replica onto the line that its bus is on: from a snapshot, after an upgrade, a restore or an expulsion. */
import {
  BEGINNING,
  belowFloor,
  type Checkpoint,
  EMPTY_BUS,
  type Expulsion,
  HistoryError,
  isBelowFloor,
  isCommitSignedBy,
  isKnown,
  isRewritten,
  isTainted,
  keyIdOf,
} from '@certbus/events/history';
import {
  type ArchivePlace,
  type Bus,
  isRestored,
  openSnapshot,
  type Snapshot,
  StoreError,
  type VerifiedPage,
} from '@certbus/store';
import type { Building, FollowedReplica } from './followed.ts';
import type { Change } from './reader.ts';

export interface SyncOptions {
  /** Where snapshots are. */
  readonly archive?: ArchivePlace | undefined;
  /** Called with the reason why a snapshot could not be used. */
  readonly onError?: ((error: Error) => void) | undefined;
  /** Called when the root has announced a restore, before the replica is built again. */
  readonly onRestored?: (() => void) | undefined;
  /** Called when a manager was expelled whose events are part of the replica, before the replica is built again. */
  readonly onExpelled?: (() => void) | undefined;
  /** Called at each step that a build takes. */
  readonly onProgress?: (() => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Whether a replica was written by a release that did not know what this one knows. */
export function isOutgrown(replica: Pick<FollowedReplica, 'bus'>): boolean {
  return replica.bus().unknown.some(isKnown);
}

/** Public keys that can sign a commit: the root's, and those of the managers in force. */
const signersOf = ({ trust }: Bus, { managers }: Checkpoint): string[] => [
  trust.rootKey,
  ...managers.map(({ signingKey }) => signingKey),
];

/** The keys of those who say in a page that a snapshot was taken, each by a signature of their own. */
function vouchersIn(page: VerifiedPage, { manifest, position, hash }: Snapshot, signers: readonly string[]): string[] {
  return page.commits.flatMap(({ events, keyId }, index) => {
    const isVoucher = events.some(
      ({ event }) =>
        event?.type === 'SnapshotTaken' &&
        event.manifest === manifest &&
        event.position === position &&
        event.hash === hash,
    );
    const bytes = page.stored[index]?.bytes;
    if (!isVoucher || !bytes) return [];
    // Inside a segment only the links are verified: any manager could have written a commit there in the name of another.
    return signers.filter((key) => keyIdOf(key) === keyId && isCommitSignedBy(key, bytes));
  });
}

/**
 * The head of the bus, where a commit behind a snapshot says that it was taken, by a key that is still in force at the head: what a manager wrote who
 * has been removed since vouches for nothing. Asked before anything of it is opened: anyone who can write to the archive could have put
 * there what takes all memory. Managers take snapshots often, so that little is read for it.
 */
async function findVouched(
  bus: Bus,
  snapshot: Snapshot,
  { signal, onProgress }: SyncOptions,
): Promise<Checkpoint | undefined> {
  const vouchers = new Set<string>();
  for (let { checkpoint } = snapshot; ; ) {
    const page = await bus.read(checkpoint, { consistent: true, signal });
    onProgress?.();
    const signers = [...signersOf(bus, checkpoint), ...signersOf(bus, page.checkpoint)];
    for (const key of vouchersIn(page, snapshot, signers)) vouchers.add(key);
    ({ checkpoint } = page);
    if (isRefused(page)) throw page.refused;
    if (page.end && !page.refused)
      return signersOf(bus, checkpoint).some((key) => vouchers.has(key)) ? checkpoint : undefined;
  }
}

/**
 * Whether nothing behind a checkpoint is good. What is refused at the end of a page may be good further on: a thief can put a commit there
 * that only the signature behind it proves.
 */
function isRefused(page: VerifiedPage): page is VerifiedPage & Required<Pick<VerifiedPage, 'refused'>> {
  return page.refused !== undefined && page.commits.length === 0;
}

/** What a build knows of the bus before it begins. */
interface Foreknown {
  /** Managers that were expelled further on. */
  readonly expelled: readonly Expulsion[];
  /** How far the bus is known to be good: what is refused behind it is left to those who follow. */
  readonly position: number;
}

const NOTHING_KNOWN: Foreknown = { expelled: [], position: 0 };

/** What a build came to: it is at the head of the bus, or it has to begin again with what it met. */
type Outcome = { readonly isDone: true } | { readonly isDone: false; readonly known: Foreknown };

/** Takes the bus from a checkpoint to its head into what is built, or to where it meets an expulsion that makes void what it took. */
async function follow(
  building: Building,
  bus: Bus,
  { from, known, signal, onProgress }: SyncOptions & { readonly from: Checkpoint; readonly known: Foreknown },
): Promise<Outcome> {
  for (let checkpoint = from; ; ) {
    const page = await bus.read(checkpoint, { signal });
    const { expelled, position } = page.checkpoint;
    if (isRewritten(checkpoint, page.checkpoint)) return { isDone: false, known: { expelled, position } };
    if (page.commits.length > 0) await building.apply(page.commits, page.checkpoint);
    ({ checkpoint } = page);
    onProgress?.();
    if (isRefused(page)) {
      if (position < known.position || known.position === 0) throw page.refused;
      return { isDone: true };
    }
    // A read that is not consistent may end before what is known.
    if (page.end && !page.refused) return { isDone: true };
  }
}

/** Builds in a copy of its own, which is served when all went well and dropped otherwise. */
async function build(
  replica: FollowedReplica,
  state: Parameters<FollowedReplica['build']>[0],
  fill: (building: Building) => Promise<Outcome>,
): Promise<Outcome> {
  const building = await replica.build(state);
  try {
    const outcome = await fill(building);
    await (outcome.isDone ? building.serve() : building.abandon());
    return outcome;
  } catch (error) {
    await building.abandon();
    throw error;
  }
}

async function buildFromSnapshot(
  replica: FollowedReplica,
  bus: Bus,
  { snapshot, known, ...options }: SyncOptions & { readonly snapshot: Snapshot; readonly known: Foreknown },
): Promise<Outcome> {
  const { signal, onProgress } = options;
  const { checkpoint, bus: state, rootEvents } = snapshot;
  await bus.confirm(checkpoint, { signal });
  const head = await findVouched(bus, snapshot, options);
  if (!head) {
    const what = `The snapshot at position ${snapshot.position} is refused: no commit after it, by a key that is in force, records that it was taken. The archives and the log are read instead.`;
    throw new StoreError('CERTBUS_STORE_SNAPSHOT_REFUSED', what);
  }
  if (isTainted(snapshot.position, head.expelled)) return { isDone: false, known: head };
  const from = { ...checkpoint, expelled: head.expelled };
  return build(replica, { checkpoint: from, bus: state, rootEvents }, async (building) => {
    // One frame is unpacked while the one before it is written.
    let loading = Promise.resolve();
    for await (const records of snapshot.records({ signal })) {
      await loading;
      loading = building.load(records);
      // It is awaited above or below; where the next frame cannot be unpacked, that is what is told.
      loading.catch(() => {});
      onProgress?.();
    }
    await loading;
    return follow(building, bus, { ...options, from, known });
  });
}

/** Reports why a snapshot could not be used: whatever is wrong with it, the archives and the log say the same. */
async function orReport<T>(
  { signal, onError = () => {} }: SyncOptions,
  work: () => Promise<T | undefined>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    signal?.throwIfAborted();
    onError(error instanceof Error ? error : new Error(String(error)));
    return undefined;
  }
}

/** The snapshots to try, the newest first; after an expulsion those from before the part that is void. */
async function* findSnapshots(
  replica: FollowedReplica,
  { trust }: Bus,
  { known: { expelled }, ...options }: SyncOptions & { readonly known: Foreknown },
): AsyncIterable<Snapshot> {
  const { archive, signal } = options;
  if (!archive) return;
  const newest = await orReport(options, () => openSnapshot(archive, trust, { signal }));
  if (newest && !isTainted(newest.position, expelled)) yield newest;
  if (expelled.length === 0) return;
  const noted = [...replica.bus().snapshots, ...(newest?.bus.snapshots ?? [])].filter(
    ({ position, manifest }) => manifest !== newest?.manifest && !isTainted(position, expelled),
  );
  const older = [...new Map(noted.map((taken) => [taken.manifest, taken])).values()];
  for (const taken of older.sort((one, other) => other.position - one.position)) {
    const snapshot = await orReport(options, () => openSnapshot(archive, trust, { signal, taken }));
    if (snapshot?.manifest === taken.manifest) yield snapshot;
  }
}

/** What a build from a snapshot came to; `undefined` where there is none that could be used. */
async function trySnapshot(
  replica: FollowedReplica,
  bus: Bus,
  options: SyncOptions & { readonly known: Foreknown },
): Promise<Outcome | undefined> {
  for await (const snapshot of findSnapshots(replica, bus, options)) {
    // One that was taken by a release that knew less lacks what this one would have made of it.
    if (snapshot.bus.unknown.some(isKnown)) continue;
    const outcome = await orReport(options, () => buildFromSnapshot(replica, bus, { ...options, snapshot }));
    if (outcome) return outcome;
  }
  return undefined;
}

/** Builds from a snapshot where there is one, else from the archives and the log. */
async function buildOnce(replica: FollowedReplica, bus: Bus, options: SyncOptions & { readonly known: Foreknown }) {
  const outcome = await trySnapshot(replica, bus, options);
  if (outcome) return outcome;
  const from = { ...BEGINNING, expelled: options.known.expelled };
  return build(replica, { checkpoint: from, bus: EMPTY_BUS, rootEvents: [] }, (building) =>
    follow(building, bus, { ...options, from }),
  );
}

/** Goes on from what a build came to, until one is at the head of the bus. */
async function buildOn(replica: FollowedReplica, bus: Bus, options: SyncOptions & { readonly outcome: Outcome }) {
  for (let { outcome } = options; !outcome.isDone; )
    outcome = await buildOnce(replica, bus, { ...options, ...outcome });
}

/**
 * Builds a replica again, up to the head of the bus, next to what is served meanwhile: from a snapshot where there is one, else
 * from the archives and the log. `reached`: where the history led that makes void what the replica holds. Rejects with the
 * `HistoryError` of a refused commit and with a `StoreError`, and then nothing has changed.
 */
export async function rebuild(
  replica: FollowedReplica,
  bus: Bus,
  { reached, ...options }: SyncOptions & { readonly reached?: Checkpoint } = {},
): Promise<void> {
  const known = reached ? { expelled: reached.expelled, position: reached.position } : NOTHING_KNOWN;
  await buildOn(replica, bus, { ...options, outcome: { isDone: false, known } });
}

/**
 * Takes a page into a replica. Where it has an expulsion that makes void what the replica holds, the replica is built again instead, next to
 * what is served meanwhile. Returns what changed, or which of the two it was. Only while advancing; rejects as {@link rebuild} does.
 */
export async function takePage(
  replica: FollowedReplica,
  bus: Bus,
  {
    page: { commits, checkpoint, end = true },
    ...options
  }: SyncOptions & { readonly page: Pick<VerifiedPage, 'commits' | 'checkpoint'> & { readonly end?: boolean } },
): Promise<readonly Change[] | 'built'> {
  if (isRewritten(replica.checkpoint(), checkpoint)) {
    options.onExpelled?.();
    await rebuild(replica, bus, { ...options, reached: checkpoint });
    return 'built';
  }
  return commits.length > 0 ? replica.apply(commits, checkpoint, { isMore: !end }) : [];
}

/** Whether the last commit of a replica is on its bus. */
async function isOnItsBus(replica: FollowedReplica, bus: Bus, { signal }: SyncOptions): Promise<boolean> {
  try {
    await bus.confirm(replica.checkpoint(), { signal });
    return true;
  } catch (error) {
    if (error instanceof HistoryError) return false;
    throw error;
  }
}

/**
 * Makes a replica ready to follow the bus: an empty one takes a snapshot where there is one, or where the bus has a floor is built whole, so
 * that nothing below it is ever served; one that an older release wrote, which knew less, is built again, unless the bus no longer has what
 * was read of it. Returns whether anything was built. Only while advancing; rejects as {@link rebuild} does.
 */
export async function prepare(replica: FollowedReplica, bus: Bus, options: SyncOptions = {}): Promise<boolean> {
  if (replica.checkpoint().position === 0) {
    if (bus.trust.floor) {
      await rebuild(replica, bus, options);
      return replica.checkpoint().position > 0;
    }
    const outcome = await trySnapshot(replica, bus, { ...options, known: NOTHING_KNOWN });
    if (outcome) await buildOn(replica, bus, { ...options, outcome });
    return outcome !== undefined;
  }
  if (!isOutgrown(replica) || !(await isOnItsBus(replica, bus, options))) return false;
  await rebuild(replica, bus, options);
  return true;
}

/**
 * Reads on from a replica that is below the floor until the bus has reached it, and takes nothing of it: a line that misses the floor is
 * refused as a whole. Rejects with the `HistoryError` of what is refused, and with a `StoreError`.
 */
export async function reachFloor(
  replica: FollowedReplica,
  bus: Bus,
  { signal, onProgress }: SyncOptions = {},
): Promise<void> {
  for (let checkpoint = replica.checkpoint(); isBelowFloor(bus.trust, checkpoint); ) {
    const page = await bus.read(checkpoint, { consistent: true, signal });
    onProgress?.();
    if (isRefused(page)) throw page.refused;
    ({ checkpoint } = page);
    // An empty stream is refused by nobody who reads it.
    if (page.end && isBelowFloor(bus.trust, checkpoint)) throw belowFloor(bus.trust, checkpoint);
  }
}

/**
 * Builds a replica again where the history that it holds was refused and the root has announced a restore since. Returns whether it
 * did. Only while advancing; rejects as {@link rebuild} does.
 */
export async function rebuildIfRestored(
  replica: FollowedReplica,
  bus: Bus,
  options: SyncOptions = {},
): Promise<boolean> {
  const { archive, signal } = options;
  if (!(await isRestored(bus, replica.checkpoint(), { archive, signal }))) return false;
  options.onRestored?.();
  await rebuild(replica, bus, options);
  return true;
}

/** What comes behind a replica whose last commit is on the bus, or behind the one that is built after a restore. */
async function readFirst(replica: FollowedReplica, bus: Bus, options: SyncOptions): Promise<VerifiedPage> {
  const consistently = { consistent: true, signal: options.signal };
  try {
    if (replica.checkpoint().position > 0) await reachFloor(replica, bus, options);
    return await bus.read(replica.checkpoint(), { ...consistently, confirm: true });
  } catch (error) {
    if (!(error instanceof HistoryError) || !(await rebuildIfRestored(replica, bus, options))) throw error;
    return bus.read(replica.checkpoint(), consistently);
  }
}

/**
 * Brings a replica to the head of the bus, once; one that was made of a damaged file is built again. Returns whether this process may
 * advance it; where another one does, nothing is done. Rejects with the `HistoryError` of a bus that was rolled back and not restored by its root, and with a `StoreError`.
 */
export async function synchronize(
  replica: FollowedReplica & { tryAdvance(): Promise<boolean> },
  bus: Bus,
  options: SyncOptions = {},
): Promise<boolean> {
  const { signal } = options;
  if (!(await replica.tryAdvance())) return false;
  await prepare(replica, bus, options);
  if (replica.countLost() !== undefined) await rebuild(replica, bus, options);
  // Page by page, so that a replica which is far behind takes no memory.
  for (let page = await readFirst(replica, bus, options); ; ) {
    const isBuilt = (await takePage(replica, bus, { ...options, page })) === 'built';
    options.onProgress?.();
    if (isRefused(page)) throw page.refused;
    if (page.end && !page.refused && !isBuilt) break;
    page = await bus.read(replica.checkpoint(), { consistent: true, signal });
  }
  if (!replica.isComplete()) await replica.complete();
  return true;
}
