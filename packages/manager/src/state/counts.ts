/** What a monitor wants to know of all certificates. */
import type { FailureClass } from '@certbus/events';
import type { ReplicaReader } from '@certbus/replica';

/** What a monitor wants to know of all certificates. */
export interface ManagerCounts {
  /** Certificates that are served. */
  readonly served: number;
  /** Certificates to act on now. */
  readonly due: number;
  /** Those that have a sixth of their lifetime or less left, have ended or were revoked, whatever puts their renewal off. */
  readonly overdue: number;
  /** Those that have failed since they were last issued, by the class of the last failure. */
  readonly failing: ReadonlyMap<FailureClass, number>;
  /** When the first of those that a CA issued ends, by its directory; `undefined` for none. */
  firstEnd(directory: string): Date | undefined;
  /** How many of those that are served end before an instant. */
  endingBefore(at: Date): number;
}

/** Reads them of a replica; each is one look at an index. */
export function readCounts(replica: ReplicaReader, now: Date): ManagerCounts {
  return {
    served: replica.countServed(),
    due: replica.countDue(now),
    overdue: replica.countUrgent(now),
    failing: replica.countFailing(),
    firstEnd: (directory) => replica.firstEnd(directory),
    endingBefore: (at) => replica.countEnding(at),
  };
}
