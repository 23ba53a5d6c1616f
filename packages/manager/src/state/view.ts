/** A manager's picture of the bus: its replica, and what the replica has not taken yet. */
import type { Checkpoint, Commit } from '@certbus/events/history';
import type { Replica, ReplicaReader } from '@certbus/replica';
import type { View } from '@certbus/store';
import { type Layer, layerOn, type ManagerState } from './state.ts';

function stateOf(reader: ReplicaReader): ManagerState {
  const resolve = (ids: readonly string[]) =>
    ids.map((id) => reader.certificate(id)).filter((found) => found !== undefined);
  return {
    get bus() {
      return reader.bus();
    },
    certificate: (certificateId) => reader.certificate(certificateId),
    withNames: (key) => resolve(reader.idsByNameSet(key)),
    due: (at) => reader.due(at),
    paused: (range) => reader.paused(range),
    all: () => reader.certificates(),
    issuer: (hash) => reader.issuer(hash),
  };
}

/** A manager's picture of the bus, and its replica, which may be some commits behind. */
export interface ManagerView extends View<ManagerState> {
  readonly state: ManagerState;
  readonly replica: Replica;
  /** Resolves once the replica has taken, or failed to take, all that was applied. */
  written(): Promise<void>;
}

/**
 * A manager's picture of the bus: its replica, and in memory what the replica has not taken yet.
 *
 * Where this process may advance the replica, commits are handed on to it; where another process does, they stay in memory
 * until it has. So a second manager on one machine decides on the head of the bus, too.
 */
export function createView(replica: Replica, onReplicaFailed: (error: unknown) => void): ManagerView {
  const below = stateOf(replica);
  let above: Layer = layerOn(below);
  let checkpoint: Checkpoint = replica.checkpoint();
  let writing: Promise<void> = Promise.resolve();

  function take(commits: readonly Commit[], reached: Checkpoint): void {
    const base = replica.checkpoint();
    if (base.position >= reached.position) {
      above = layerOn(below);
      checkpoint = base;
      return;
    }
    // The replica has all that was held here: a manager that runs for weeks does not gather every certificate in memory.
    if (base.position >= checkpoint.position) above = layerOn(below);
    for (const { events, position, at } of commits) {
      // A certificate that is not held here is read from the replica, which may have this commit in it already. What is
      // said of the bus itself may be said twice.
      const isNew = ({ event }: Commit['events'][number]) =>
        position > base.position || !event || !('certificateId' in event) || above.has(event.certificateId);
      above.apply(events.filter(isNew), { at, position });
    }
    checkpoint = reached;
  }

  return {
    replica,
    get checkpoint() {
      return checkpoint;
    },
    get state() {
      return above;
    },
    apply(commits, reached) {
      replica.snapshot(() => take(commits, reached));
      if (replica.advancing) writing = replica.apply(commits, reached).catch(onReplicaFailed);
    },
    written: () => writing,
    draft() {
      const layer = layerOn(above);
      const position = checkpoint.position + 1;
      return { state: layer, apply: (events, at) => layer.apply(events, { at, position }) };
    },
  };
}
