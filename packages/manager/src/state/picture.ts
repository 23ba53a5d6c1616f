/** What a bus says of its certificates, for those who only look: no key is needed. */
import {
  BEGINNING,
  type Checkpoint,
  type Commit,
  checkpointOf,
  EMPTY_BUS,
  isRewritten,
  type PlacedRootEvent,
} from '@certbus/events/history';
import { openReplica, type Replica, ReplicaError, type SyncOptions, synchronize } from '@certbus/replica';
import { type ArchivePlace, type Bus, catchUp } from '@certbus/store';
import { createFreshness, warnIfStale } from './freshness.ts';
import { type RootHistory, type RootState, rootHistoryOf } from './root-history.ts';
import { NOTHING_SPENT } from './spending.ts';
import { type Layer, layerOn, type ManagerState } from './state.ts';
import { createView, type ManagerView, stateOf } from './view.ts';

export { openersOf } from './root-history.ts';

/** What a bus says, up to and with a position. */
export interface Picture {
  readonly state: ManagerState;
  readonly position: number;
  /** What the root has said by then, while what the picture is read from is open. */
  readonly rootHistory: () => RootHistory;
}

/** What a bus said at an instant. */
export interface EarlierPicture extends Picture {
  /** What the root had decided by then. */
  readonly root: RootState;
}

/** Where a picture is read from. */
export interface PictureSource {
  readonly bus: Bus;
  /** The caller closes it. */
  readonly replica: Replica;
  /** Where archives and snapshots are; default nowhere. */
  readonly archive?: ArchivePlace | undefined;
}

/** Called when the replica is built again, when a snapshot was of no use, and when the replica cannot be written. */
export interface PictureWarnings {
  readonly warn?: ((message: string, fields: Readonly<Record<string, unknown>>) => void) | undefined;
}

/**
 * Takes the right to advance a replica where it is free, and brings it to the head of its bus. Where the disk of a replica that has been
 * read is full or read-only, what follows is kept in memory. Rejects with the `HistoryError` of a bus that was rolled back, with a
 * `StoreError`, with `CERTBUS_REPLICA_FAILED` where an empty replica cannot be written, and with the signal's reason. With `isAway` the bus is not
 * asked.
 */
export async function openView({
  bus,
  replica,
  archive,
  isAway = false,
  signal,
  warn = () => {},
}: PictureSource &
  PictureWarnings & {
    readonly isAway?: boolean;
    /** Ends this first reading. */
    readonly signal?: AbortSignal | undefined;
  }): Promise<ManagerView> {
  const position = () => replica.checkpoint().position;
  const read = (options: Pick<SyncOptions, 'signal'>) =>
    synchronize(replica, bus, {
      ...options,
      archive,
      onError: (error) => warn('the snapshot could not be used', { error: String(error) }),
      onRestored: () => warn('the bus was restored; the replica is built again', { position: position() }),
      onExpelled: () => warn('a manager was expelled; the replica is built again', { position: position() }),
    });
  const readElsewhere = async ({ signal }: { readonly signal?: AbortSignal | undefined }) => {
    const inMemory = await openReplica({ path: ':memory:', busId: bus.trust.busId });
    await synchronize(inMemory, bus, { archive, signal });
    return inMemory;
  };
  if (!isAway)
    await read({ signal }).catch((error: unknown) => {
      // What was read before is there to go on from, and what follows is kept in memory.
      const isOfTheDisk = error instanceof ReplicaError && error.code === 'CERTBUS_REPLICA_FAILED';
      if (!isOfTheDisk || position() === 0) throw error;
      warn('the replica cannot be written, and the manager goes on in memory', { error: String(error) });
    });
  const onReplicaFailed = (error: unknown) => warn('the replica is behind', { error: String(error) });
  return createView(replica, { readAgain: () => read({}), readElsewhere, onReplicaFailed });
}

/** What the bus says at its head. Rejects as {@link openView} does. */
export async function readPicture(
  source: PictureSource & PictureWarnings,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Picture> {
  const view = await openView({ ...source, signal });
  const { bus, warn = () => {} } = source;
  await catchUp(bus, view, signal);
  await view.written();
  const onReplicaFailed = (error: unknown) => warn('the replica is behind', { error: String(error) });
  const now = () => new Date();
  const freshness = createFreshness({ view, trust: bus.trust, acceptStale: false, now, onReplicaFailed });
  warnIfStale({ view, freshness, warn });
  return { state: view.state, position: view.checkpoint.position, rootHistory: () => rootHistoryOf(view) };
}

/** What the bus said when its replica was last brought up to date, for where the bus cannot be read. */
export function replicaPicture(replica: Replica): Picture {
  const checkpoint = replica.checkpoint();
  const state = stateOf(replica);
  return { state, position: checkpoint.position, rootHistory: () => rootHistoryOf({ replica, state, checkpoint }) };
}

/** A bus of which nothing is known that was signed after an instant. */
function busUntil(bus: Bus, at: Date): Bus {
  return {
    ...bus,
    async read(from, options) {
      const page = await bus.read(from, options);
      const later = page.commits.findIndex((commit) => commit.at > at);
      if (later < 0) return page;
      if (later === 0) return { checkpoint: from, commits: [], stored: [], end: true };
      return { ...(await bus.read(from, { ...options, limit: later })), end: true };
    },
  };
}

/**
 * Opens what a manager knew at an instant, in a replica in memory, which the caller closes: everything that was signed by then is read from the
 * beginning of the bus. Rejects with the `HistoryError` of a refused commit and with a `StoreError`.
 */
export async function openViewAt(
  bus: Bus,
  at: Date,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<ManagerView> {
  const replica = await openReplica({ path: ':memory:', busId: bus.trust.busId });
  try {
    return await openView({ bus: busUntil(bus, at), replica, signal });
  } catch (error) {
    await replica.close();
    throw error;
  }
}

/** A state of a bus of which nothing was read yet. */
const NOTHING: ManagerState = {
  bus: EMPTY_BUS,
  certificate: () => undefined,
  withNames: () => [],
  due: () => [],
  nextDue: () => undefined,
  paused: () => [],
  all: () => [],
  listed: () => [],
  retired: () => [],
  lostSince: () => [],
  issuer: () => undefined,
  spending: () => NOTHING_SPENT,
};

/**
 * What the bus said at an instant: everything that was signed by then, read from the beginning of the bus and kept in memory. Rejects with
 * the `HistoryError` of a refused commit and with a `StoreError`.
 */
export async function readPictureAt(
  bus: Bus,
  at: Date,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<EarlierPicture> {
  let checkpoint: Checkpoint = BEGINNING;
  let state: Layer = layerOn(NOTHING);
  let head: Pick<Commit, 'position' | 'hash'> | undefined;
  let rootEvents: PlacedRootEvent[] = [];

  function picture(): EarlierPicture {
    const root = { checkpoint: head ? checkpointOf(bus.trust, head, rootEvents) : BEGINNING, rootEvents };
    const replica = { rootEvents: () => rootEvents };
    const rootHistory = () => rootHistoryOf({ replica, state, checkpoint: root.checkpoint });
    return { state, position: root.checkpoint.position, rootHistory, root };
  }

  for (;;) {
    const page = await bus.read(checkpoint, { consistent: true, signal });
    if (isRewritten(checkpoint, page.checkpoint)) {
      // An expulsion makes void what was read before it: all is read again in that knowledge.
      checkpoint = { ...BEGINNING, expelled: page.checkpoint.expelled };
      state = layerOn(NOTHING);
      head = undefined;
      rootEvents = [];
      continue;
    }
    for (const commit of page.commits) {
      if (commit.at > at) return picture();
      state.apply(commit.events, commit);
      for (const { root } of commit.events) if (root) rootEvents.push({ position: commit.position, root });
      head = commit;
    }
    ({ checkpoint } = page);
    if (page.refused && page.commits.length === 0) throw page.refused;
    if (page.end && !page.refused) return picture();
  }
}
