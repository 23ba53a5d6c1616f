/** The port to a replica that follows its bus: what reading, verifying and writing need of it, on whichever thread they run. */
import type { Checkpoint, Commit } from '@certbus/events/history';
import type { SnapshotRecord } from '@certbus/store';
import type { Change, ReplicaReader } from './reader.ts';
import type { BeginningState } from './writer/tables.ts';

/** A copy that is built again beside the one that is served. */
export interface Building {
  /** Takes records of the snapshot that it began with. */
  load(records: readonly SnapshotRecord[]): Promise<void>;
  /** Takes commits that follow directly. Nothing is loaded afterwards. */
  apply(commits: readonly Commit[], checkpoint: Checkpoint): Promise<void>;
  /** Takes the place of what is served, in one transaction. It is complete then. */
  serve(): Promise<void>;
  /** Drops it. */
  abandon(): Promise<void>;
}

export interface ApplyOptions {
  /**
   * Whether the bus has more at once. A replica that is not complete MAY then keep what it takes in an open transaction, which only its own
   * thread sees, until it is large enough.
   */
  readonly isMore?: boolean;
}

/** A replica that this process, or this thread, advances. */
export interface FollowedReplica extends Pick<ReplicaReader, 'checkpoint' | 'bus' | 'isComplete' | 'countLost'> {
  /**
   * Takes commits that follow on {@link ReplicaReader.checkpoint}, durably and in order of the calls, and returns what changed of that which
   * is served; nothing before it is complete.
   */
  apply(commits: readonly Commit[], checkpoint: Checkpoint, options?: ApplyOptions): Promise<readonly Change[]>;
  /** Begins to build a copy again, empty or with a snapshot's state. One at a time. */
  build(state?: BeginningState): Promise<Building>;
  /** Marks it as complete once it has reached the head of its bus, and makes the indexes. */
  complete(): Promise<void>;
}
