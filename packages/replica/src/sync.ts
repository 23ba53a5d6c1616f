/** Brings a replica onto the line that its bus is on: from a snapshot, after an upgrade, after a restore. */
import { BEGINNING, type Checkpoint, HistoryError, isCommitSignedBy, isKnown, keyIdOf } from '@certbus/events/history';
import {
  type ArchivePlace,
  type Bus,
  isRestored,
  openSnapshot,
  type Snapshot,
  StoreError,
  type VerifiedPage,
} from '@certbus/store';
import type { Building, Replica } from './replica.ts';

export interface SyncOptions {
  /** Where snapshots are. */
  readonly archive?: ArchivePlace | undefined;
  /** Called with the reason why a snapshot could not be used. */
  readonly onError?: ((error: Error) => void) | undefined;
  /** Called when the root has announced a restore, before the replica is built again. */
  readonly onRestored?: (() => void) | undefined;
  /** Called at each step that a build takes. */
  readonly onProgress?: (() => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Whether a replica was written by a release that did not know what this one knows. */
export function isOutgrown(replica: Pick<Replica, 'bus'>): boolean {
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
 * Whether a commit behind a snapshot says that it was taken, by a key that is still in force at the head: what a manager wrote who
 * has been removed since vouches for nothing. Asked before anything of it is opened: anyone who can write to the archive could have put
 * there what takes all memory. Managers take snapshots often, so that little is read for it.
 */
async function isVouchedFor(bus: Bus, snapshot: Snapshot, { signal, onProgress }: SyncOptions): Promise<boolean> {
  const vouchers = new Set<string>();
  for (let { checkpoint } = snapshot; ; ) {
    const page = await bus.read(checkpoint, { consistent: true, signal });
    onProgress?.();
    const signers = [...signersOf(bus, checkpoint), ...signersOf(bus, page.checkpoint)];
    for (const key of vouchersIn(page, snapshot, signers)) vouchers.add(key);
    ({ checkpoint } = page);
    if (page.refused) throw page.refused;
    if (page.end) return signersOf(bus, checkpoint).some((key) => vouchers.has(key));
  }
}

/** Takes the bus from a checkpoint to its head into what is built. */
async function follow(
  building: Building,
  bus: Bus,
  { from, signal, onProgress }: SyncOptions & { readonly from: Checkpoint },
): Promise<void> {
  for (let checkpoint = from; ; ) {
    const page = await bus.read(checkpoint, { signal });
    if (page.refused) throw page.refused;
    await building.apply(page.commits, page.checkpoint);
    ({ checkpoint } = page);
    onProgress?.();
    if (page.end) return;
  }
}

/** Builds in a copy of its own, which is served when all went well and dropped otherwise. */
async function build(
  replica: Replica,
  state: Parameters<Replica['build']>[0],
  fill: (building: Building) => Promise<void>,
): Promise<void> {
  const building = await replica.build(state);
  try {
    await fill(building);
    await building.serve();
  } catch (error) {
    await building.abandon();
    throw error;
  }
}

async function buildFromSnapshot(replica: Replica, bus: Bus, snapshot: Snapshot, options: SyncOptions) {
  const { signal, onProgress } = options;
  const { checkpoint, bus: state, rootEvents } = snapshot;
  if (!(await isVouchedFor(bus, snapshot, options))) {
    const what = `The snapshot at position ${snapshot.position} is refused: no commit behind it, by a key that is in force, says that it was taken. The archives and the log are read instead.`;
    throw new StoreError('CERTBUS_STORE_SNAPSHOT_REFUSED', what);
  }
  await build(replica, { checkpoint, bus: state, rootEvents }, async (building) => {
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
    await follow(building, bus, { ...options, from: checkpoint });
  });
}

/** Whether a snapshot was found and could be used. */
async function trySnapshot(replica: Replica, bus: Bus, options: SyncOptions): Promise<boolean> {
  const { archive, signal, onError = () => {} } = options;
  if (!archive) return false;
  try {
    const snapshot = await openSnapshot(archive, bus.trust, { signal });
    // One that was taken by a release that knew less lacks what this one would have made of it.
    if (!snapshot || snapshot.bus.unknown.some(isKnown)) return false;
    await buildFromSnapshot(replica, bus, snapshot, options);
    return true;
  } catch (error) {
    signal?.throwIfAborted();
    // Whatever is wrong with it, the archives and the log say the same.
    onError(error instanceof Error ? error : new Error(String(error)));
    return false;
  }
}

/**
 * Builds a replica again, up to the head of the bus, next to what is served meanwhile: from a snapshot where there is one, else
 * from the archives and the log. Rejects with the `HistoryError` of a refused commit and with a `StoreError`, and then nothing
 * has changed.
 */
export async function rebuild(replica: Replica, bus: Bus, options: SyncOptions = {}): Promise<void> {
  if (await trySnapshot(replica, bus, options)) return;
  await build(replica, undefined, async (building) => {
    await follow(building, bus, { ...options, from: BEGINNING });
  });
}

/**
 * Makes a replica ready to follow the bus: an empty one takes a snapshot where there is one; one that an older release wrote, which
 * knew less, is built again. Returns whether anything was built. Only while advancing; rejects as {@link rebuild} does.
 */
export async function prepare(replica: Replica, bus: Bus, options: SyncOptions = {}): Promise<boolean> {
  if (replica.checkpoint().position === 0) return trySnapshot(replica, bus, options);
  if (!isOutgrown(replica)) return false;
  await rebuild(replica, bus, options);
  return true;
}

/**
 * Builds a replica again where the history that it holds was refused and the root has announced a restore since. Returns whether it
 * did. Only while advancing; rejects as {@link rebuild} does.
 */
export async function rebuildIfRestored(replica: Replica, bus: Bus, options: SyncOptions = {}): Promise<boolean> {
  const { archive, signal } = options;
  if (!(await isRestored(bus, replica.checkpoint(), { archive, signal }))) return false;
  options.onRestored?.();
  await rebuild(replica, bus, options);
  return true;
}

/** What comes behind a replica whose last commit is on the bus, or behind the one that is built after a restore. */
async function readFirst(replica: Replica, bus: Bus, options: SyncOptions): Promise<VerifiedPage> {
  const consistently = { consistent: true, signal: options.signal };
  try {
    return await bus.read(replica.checkpoint(), { ...consistently, confirm: true });
  } catch (error) {
    if (!(error instanceof HistoryError) || !(await rebuildIfRestored(replica, bus, options))) throw error;
    return bus.read(replica.checkpoint(), consistently);
  }
}

/**
 * Brings a replica to the head of the bus, once. Returns whether this process may advance it; where another one does, nothing is
 * done. Rejects with the `HistoryError` of a bus that was rolled back and not restored by its root, and with a `StoreError`.
 */
export async function synchronize(replica: Replica, bus: Bus, options: SyncOptions = {}): Promise<boolean> {
  const { signal } = options;
  if (!(await replica.tryAdvance())) return false;
  await prepare(replica, bus, options);
  // Page by page, so that a replica which is far behind takes no memory.
  for (let page = await readFirst(replica, bus, options); ; ) {
    if (page.commits.length > 0) await replica.apply(page.commits, page.checkpoint);
    options.onProgress?.();
    if (page.refused) throw page.refused;
    if (page.end) return true;
    page = await bus.read(replica.checkpoint(), { consistent: true, signal });
  }
}
