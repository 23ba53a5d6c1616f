/** Follows a bus and takes what it says into a replica, on the thread that writes it or, for a bus that is open already, on the one that opened it. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { EventsError } from '@certbus/events';
import { type Checkpoint, type Commit, HistoryError } from '@certbus/events/history';
import { type ArchivePlace, type Bus, follow, type StoreError } from '@certbus/store';
import type { FollowedReplica } from './followed.ts';
import type { Change } from './reader.ts';
import { createRebuilds, type Rebuilds } from './rebuilds.ts';
import { sleep } from './sleep.ts';
import { isOutgrown, prepare, reachFloor, rebuild, rebuildIfRestored, takePage } from './sync.ts';

/** Hears what advancing meets. */
export interface AdvanceListener {
  /** The bus answered. */
  contact(at: { readonly live: boolean }): void;
  /** The replica moved on to position `reached`. `changes`: those of what is served. The next page is not read before this resolves. */
  moved(changes: readonly Change[], reached: number): Promise<void>;
  /** The replica is another one: it was built again, or is complete for the first time. */
  rebuilt(): Promise<void>;
  /** The bus is away, its history is refused, or the replica cannot be written; following goes on. */
  failed(error: StoreError | HistoryError | Error): void;
}

/** A bus that is open, and how to close it. */
export interface OpenedBus {
  readonly bus: Bus;
  /** Where archives and snapshots are. */
  readonly archive: ArchivePlace | undefined;
  close(): Promise<void>;
}

export interface AdvanceOptions {
  readonly replica: FollowedReplica;
  /** Opens the bus; called again after every failure. */
  readonly openBus: () => Promise<OpenedBus>;
  /** Time between two looks at a quiet bus, milliseconds. */
  readonly intervalMs: number;
  readonly signal: AbortSignal;
  readonly listener: AdvanceListener;
}

/** The same with the bus open. */
interface Advance extends Omit<AdvanceOptions, 'openBus'> {
  readonly bus: Bus;
  readonly archive: ArchivePlace | undefined;
}

const HOUR_MS = 3_600_000;
/** Over how many intervals a fleet that was upgraded spreads building its replicas again. */
const SPREAD_INTERVALS = 30;

/** What building reports of its steps. */
function reportsTo({ listener, archive, signal }: Advance) {
  return {
    archive,
    signal,
    onError: (error: Error) => listener.failed(error),
    onProgress: () => listener.contact({ live: false }),
  };
}

/** Makes the replica ready. One that an older release wrote is built again, not by the whole fleet at once. */
async function makeReady(advance: Advance): Promise<void> {
  const { replica, bus, intervalMs, signal, listener } = advance;
  if (isOutgrown(replica)) await sleep(Math.random() * SPREAD_INTERVALS * intervalMs, signal);
  if (signal.aborted) return;
  if (await prepare(replica, bus, reportsTo(advance))) await listener.rebuilt();
}

/** Reaches the floor of the bus before anything is taken, or the line of a restored bus. */
async function makeSure(advance: Advance, restore: Restorer): Promise<void> {
  const { replica, bus } = advance;
  try {
    const { signal, onProgress } = reportsTo(advance);
    await reachFloor(replica, bus, { signal, onProgress });
  } catch (error) {
    if (!(error instanceof HistoryError) || !(await restore(advance))) throw error;
  }
}

/** Asked when history is refused; see {@link createRestorer}. */
type Restorer = (advance: Advance) => Promise<Checkpoint | undefined>;

/** Looks, seldom, whether a history that is refused is that of a restored bus, and then builds the replica again. */
function createRestorer(): Restorer {
  let looks = 0;
  let lookAt = 0;
  return async (advance) => {
    const { replica, bus, intervalMs, listener } = advance;
    if (performance.now() < lookAt) return undefined;
    // Noted first: a look that fails counts, too, so that a thousand servers do not read a whole bus again and again.
    looks += 1;
    lookAt = performance.now() + Math.min(HOUR_MS, intervalMs * 2 ** looks) * (0.5 + Math.random());
    const { archive, signal, onError } = reportsTo(advance);
    if (!(await rebuildIfRestored(replica, bus, { archive, signal, onError }))) return undefined;
    looks = 0;
    await listener.rebuilt();
    return replica.checkpoint();
  };
}

/** What advancing needs over all times that the bus is opened. */
export interface Lasting {
  readonly restore: Restorer;
  readonly rebuilds: Rebuilds;
}

/** Makes it; nothing has failed yet. */
export const createLasting = ({ intervalMs }: Pick<AdvanceOptions, 'intervalMs'>): Lasting => ({
  restore: createRestorer(),
  rebuilds: createRebuilds({ intervalMs }),
});

/** Builds a replica that was made of a damaged file again, seldom where that fails: what it has moves on meanwhile. Returns whether it did. */
async function mend(advance: Advance, rebuilds: Rebuilds): Promise<boolean> {
  const { replica, bus, signal, listener } = advance;
  if (replica.countLost() === undefined || !rebuilds.isDue()) return false;
  rebuilds.begin();
  try {
    await rebuild(replica, bus, reportsTo(advance));
    rebuilds.done();
    return true;
  } catch (error) {
    signal.throwIfAborted();
    rebuilds.takeWaitMs();
    listener.failed(error instanceof Error ? error : new Error(String(error)));
    return false;
  }
}

/** Reports the last event of some commits that is void, and says why. */
function reportVoid(commits: readonly Commit[], listener: AdvanceListener): void {
  const broken = commits.flatMap(({ position, by, events }) =>
    events.flatMap(({ type, broken: rule }) => (rule === undefined ? [] : [{ position, by, type, rule }])),
  );
  const last = broken.at(-1);
  if (!last) return;
  const what = `${last.type} at position ${last.position} is void, and nothing was taken of it: ${last.rule}. No release of CertBus writes this; the commit names "${last.by}" as its writer.`;
  listener.failed(new EventsError('CERTBUS_EVENTS_COMMIT_MALFORMED', what));
}

/** Follows from where the replica is, and takes every batch into it; ends when the replica was built again. */
async function followOnce(advance: Advance, { restore, rebuilds }: Lasting): Promise<void> {
  const { replica, bus, intervalMs, signal, listener } = advance;
  const { archive, onError, onProgress } = reportsTo(advance);
  const onRefused = () => restore(advance);
  for await (const { commits, checkpoint, live } of follow(bus, replica.checkpoint(), {
    intervalMs,
    onError,
    onRefused,
    signal,
  })) {
    reportVoid(commits, listener);
    if (await mend(advance, rebuilds)) return listener.rebuilt();
    // Where the row with the position was lost, nothing fits onto what is served.
    if (replica.countLost() !== undefined && replica.checkpoint().position === 0) continue;
    const page = { commits, checkpoint, end: live };
    const onExpelled = () => rebuilds.begin();
    const taken = await takePage(replica, bus, { page, archive, signal, onError, onProgress, onExpelled });
    if (taken === 'built') {
      rebuilds.done();
      return listener.rebuilt();
    }
    if (live && !replica.isComplete()) {
      await replica.complete();
      await listener.rebuilt();
    } else if (commits.length > 0) await listener.moved(taken, checkpoint.position);
    listener.contact({ live });
    // A bus on this machine answers without a turn of the event loop, and a request to stop would not be heard.
    await nextTurn();
  }
}

/**
 * Bytes of commits that a thread verifies in one turn where it has other things to do: so many take it some four milliseconds, and one of the
 * largest commits thrice as long.
 */
const SHARED_THREAD_BYTES = 100_000;

/** The same bus, read in pages that a thread has time for which serves as well. */
export const inSmallPages = (bus: Bus): Bus => ({
  ...bus,
  read: (from, options) => bus.read(from, { maxBytes: SHARED_THREAD_BYTES, ...options }),
});

/** Follows the bus and takes every batch into the replica, until the signal or an error that only opening it again can mend. */
export async function advance({ openBus, ...options }: AdvanceOptions, lasting: Lasting): Promise<void> {
  await sleep(lasting.rebuilds.takeWaitMs(), options.signal);
  if (options.signal.aborted) return;
  const { bus, archive, close } = await openBus();
  try {
    const opened = { ...options, bus, archive };
    await makeReady(opened);
    await makeSure(opened, lasting.restore);
    while (!options.signal.aborted) await followOnce(opened, lasting);
  } finally {
    await close();
  }
}
