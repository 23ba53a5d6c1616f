/** Whether a manager can know that what it has read is the newest of its bus. */
import type { Trust } from '@certbus/events';
import { busStale } from '../errors.ts';
import type { ManagerView } from './view.ts';

/** A bus on which managers run has a heartbeat every 24 hours. */
const STALE_MS = 48 * 3_600_000;

/** What a manager knows of the age of what it began with. */
export interface Freshness {
  /** When the newest commit was signed, where this manager signs nothing because of it; else `undefined`. */
  staleSince(): Date | undefined;
  /** Throws `CERTBUS_MANAGER_BUS_STALE` where nothing can be signed. */
  check(): void;
}

/** What freshness is judged by. */
export interface FreshnessOptions {
  readonly view: ManagerView;
  readonly trust: Trust;
  /** Take the newest commit for the newest that there was, however old it is. */
  readonly acceptStale: boolean;
  readonly now: () => Date;
  /** Takes a failure to keep in the replica that it is settled. */
  readonly onReplicaFailed: (error: unknown) => void;
}

/**
 * A manager with a checkpoint of its own sees that a log was cut off. One that begins without, as on a new machine, does not: it signs nothing
 * on a bus that was silent for 48 hours, until a newer commit comes, it is told to, or the floor of the trust file is that head. That is kept
 * with the replica, so that one which only read such a bus has no checkpoint by that.
 */
export function createFreshness({
  view,
  trust: { floor },
  acceptStale,
  now,
  onReplicaFailed,
}: FreshnessOptions): Freshness {
  const { replica } = view;
  let isSettled = false;

  function settle(): undefined {
    isSettled = true;
    if (replica.advancing) replica.settle().catch(onReplicaFailed);
  }

  /** Whether the trust file says that the bus goes as far as it was read. */
  function isFloor(): boolean {
    const { position, restored } = view.checkpoint;
    return floor !== undefined && restored <= floor.rootSequence && position <= floor.position;
  }

  function staleSince(): Date | undefined {
    isSettled ||= replica.isSettled();
    if (isSettled) return undefined;
    const { newestAt } = view.state.bus;
    if (newestAt === undefined) return undefined;
    const newest = new Date(newestAt);
    if (acceptStale || isFloor() || now().getTime() - newest.getTime() <= STALE_MS) return settle();
    return newest;
  }

  return {
    staleSince,
    check() {
      const newestAt = staleSince();
      if (newestAt) throw busStale(view.checkpoint.position, newestAt);
    },
  };
}

/** Warns where a bus was silent so long that this machine cannot know it to be whole: what only reads goes on. */
export function warnIfStale({
  freshness,
  view,
  warn,
}: {
  readonly freshness: Freshness;
  readonly view: Pick<ManagerView, 'checkpoint'>;
  readonly warn: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}): void {
  const newestAt = freshness.staleSince();
  if (!newestAt) return;
  const { position } = view.checkpoint;
  const what = 'the bus was silent for more than 48 hours, and this machine has not read it before: nothing is signed';
  warn(what, { position, newestAt: newestAt.toISOString() });
}
