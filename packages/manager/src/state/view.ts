/** A manager's picture of the bus: its replica, and what the replica has not taken yet. */
import { type Checkpoint, type Commit, isRewritten } from '@certbus/events/history';
import type { Replica, ReplicaReader } from '@certbus/replica';
import type { View } from '@certbus/store';
import { type Reads, rememberReads } from './remembered-reads.ts';
import { type Layer, layerOn, type ManagerState } from './state.ts';

/** The earliest instant that there is. */
const EARLIEST = new Date(-8.64e15);

/**
 * How many events of certificates stay in memory although the replica has them, those of a hundred renewals: what is at work on them asks again
 * and again. What they spend is kept with them, so that few certificates that change for years count as well.
 */
const KEPT = 400;

const readsOf = (reader: ReplicaReader): Reads => ({
  certificate: (certificateId) => reader.certificate(certificateId),
  spending: (key, stretch) => ({ position: reader.checkpoint().position, ...reader.spending(key, stretch) }),
});

/** The state that a replica holds. */
export function stateOf(reader: ReplicaReader, { certificate, spending }: Reads = readsOf(reader)): ManagerState {
  const resolve = (ids: readonly string[]) => ids.map(certificate).filter((found) => found !== undefined);
  return {
    get bus() {
      return reader.bus();
    },
    certificate,
    withNames: (key) => resolve(reader.idsByNameSet(key)),
    due: (at) => reader.due(at),
    nextDue({ after = EARLIEST, isExcepted = () => false } = {}) {
      for (const { certificateId, at } of reader.upcoming(after)) if (!isExcepted(certificateId)) return at;
      return undefined;
    },
    paused: (range) => reader.paused(range),
    all: () => reader.certificates(),
    listed: () => reader.listed(),
    retired: (at) => reader.retired(at),
    lostSince: (after) => reader.lostSince(after),
    issuer: (hash) => reader.issuer(hash),
    spending,
  };
}

/** The same, read once as long as what follows is held above it. */
function rememberedStateOf(replica: Replica): ManagerState {
  const { certificate } = readsOf(replica);
  // How far it goes and what was spent by then, of one moment: what is held above comes on top.
  const spending: Reads['spending'] = (...asked) => replica.snapshot((reader) => readsOf(reader).spending(...asked));
  return stateOf(replica, rememberReads({ certificate, spending }));
}

/** A manager's picture of the bus, and its replica, which may be some commits behind. */
export interface ManagerView extends View<ManagerState> {
  readonly state: ManagerState;
  readonly replica: Replica;
  /** Has the replica read the bus again from its checkpoint, where it could not take something. */
  mend(): void;
  /** Resolves once the replica has taken, or failed to take, all that was applied. */
  written(): Promise<void>;
  /** Calls a listener with all that is applied from now on, once it is part of {@link ManagerView.state}, until disposed of. */
  listen(listener: (commits: readonly Commit[]) => void): Disposable;
}

/** What a view needs of its replica. */
export interface ViewOptions {
  /** Brings the replica to the head of the bus from its own checkpoint. Resolves with whether this process advances it. */
  readonly readAgain: () => Promise<boolean>;
  /** Opens a replica in memory and brings it to the head of the bus, for where the one of this machine cannot be built again. */
  readonly readElsewhere: (options: { readonly signal?: AbortSignal | undefined }) => Promise<Replica>;
  /** Takes each failure to write the replica. */
  readonly onReplicaFailed: (error: unknown) => void;
}

/**
 * A manager's picture of the bus: its replica, and in memory what the replica has not taken yet.
 *
 * Where this process may advance the replica, commits are handed on to it; where another process does, they stay in memory
 * until it has. So a second manager on one machine decides on the head of the bus, too. A replica that could not take a commit, on a
 * disk that was full for a while, reads the bus again from its checkpoint with the next commit.
 */
export function createView(opened: Replica, { readAgain, readElsewhere, onReplicaFailed }: ViewOptions): ManagerView {
  let replica = opened;
  let above: Layer = layerOn(rememberedStateOf(replica));
  let checkpoint: Checkpoint = replica.checkpoint();
  let writing: Promise<void> = Promise.resolve();
  let isBehind = false;
  let mending = 0;
  const listeners = new Set<(commits: readonly Commit[]) => void>();

  /** Whether what is applied does not fit onto the replica, or is about to be read from the bus. */
  const isOff = (): boolean => isBehind || mending > 0 || replica.problem !== undefined;

  /** Takes the outcome of a write: after one that failed, nothing that follows fits. */
  const awaitWrite = (write: Promise<unknown>): Promise<void> =>
    write.then(
      () => undefined,
      (error: unknown) => {
        isBehind = true;
        onReplicaFailed(error);
      },
    );

  function mend(): void {
    if (!isOff()) return;
    mending += 1;
    writing = writing.then(async () => {
      isBehind = false;
      await awaitWrite(readAgain());
      mending -= 1;
    });
  }

  function take(commits: readonly Commit[], reached: Checkpoint): void {
    const base = replica.checkpoint();
    if (base.position >= reached.position) {
      above = layerOn(rememberedStateOf(replica));
      checkpoint = base;
      return;
    }
    // The replica has all that was held here: a manager that runs for weeks does not gather every certificate in memory.
    const isTaken = base.position === checkpoint.position && above.size >= KEPT;
    if (isTaken || base.position > checkpoint.position) above = layerOn(rememberedStateOf(replica));
    for (const { events, position, at, keyId } of commits) {
      // A certificate that is not held here is read from the replica, which may have this commit in it already. What is
      // said of the bus itself may be said twice.
      const isNew = ({ event }: Commit['events'][number]) =>
        position > base.position || !event || !('certificateId' in event) || above.has(event.certificateId);
      above.apply(events.filter(isNew), { at, position, keyId });
    }
    checkpoint = reached;
  }

  function begin(from: Replica): void {
    replica = from;
    above = layerOn(rememberedStateOf(replica));
    checkpoint = replica.checkpoint();
    isBehind = false;
  }

  return {
    get replica() {
      return replica;
    },
    get checkpoint() {
      return checkpoint;
    },
    get state() {
      return above;
    },
    apply(commits, reached) {
      replica.snapshot(() => take(commits, reached));
      if (isOff()) mend();
      else if (replica.advancing) writing = awaitWrite(replica.apply(commits, reached));
      for (const listener of listeners) listener(commits);
    },
    mend,
    async rebuild({ signal }) {
      await writing;
      // Another process of this machine builds the replica in its own time, and a full disk takes no second copy.
      const isBuilt = await readAgain().catch((error: unknown) => {
        onReplicaFailed(error);
        return false;
      });
      signal?.throwIfAborted();
      const isReady = isBuilt || isRewritten(checkpoint, replica.checkpoint());
      begin(isReady ? replica : await readElsewhere({ signal }));
    },
    written: () => writing,
    listen(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => listeners.delete(listener) };
    },
    draft() {
      const layer = layerOn(above);
      const position = checkpoint.position + 1;
      return { state: layer, apply: (events, at) => layer.apply(events, { at, position }) };
    },
  };
}
