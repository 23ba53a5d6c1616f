/** Notes what following the bus meets, here or in the process that follows for this one, and raises alarms. */
import { type FollowerListener, type Following, type Replica, ReplicaError } from '@certbus/replica';
import type { Notes } from '../health.ts';
import type { MaterialEmitter } from './events.ts';

/** An error that another process met, with its code. */
class FollowingError extends Error {
  override readonly name = 'FollowingError';
  readonly code: string | undefined;

  constructor({ code, message }: NonNullable<Following['trouble']>) {
    super(message);
    this.code = code;
  }
}

/** How many notes in a row may be missing before the process that should write them counts as stopped. */
const MISSED_NOTES = 3;
/** Of a process that has noted nothing yet. */
const FIRST_NOTE_MS = 10_000;
/** Notes are looked for about every second. Of more time between two looks this process did not run, as in a machine that was paused; nor perhaps did the other. */
const LONGEST_LOOK_MS = 5_000;

function silent({ holder }: Pick<Following, 'holder'>, ms: number): ReplicaError {
  const what = `The process that follows the bus for this machine (${holder}) has noted nothing for ${Math.round(ms / 1000)} s, so nothing new is taken. Is it stopped or hung? End it: another process then takes over.`;
  return new ReplicaError('CERTBUS_REPLICA_SILENT', what);
}

export interface ListenerOptions {
  readonly replica: Pick<Replica, 'advancing' | 'problem'>;
  readonly notes: Notes;
  readonly emitter: MaterialEmitter;
  readonly now: () => Date;
  /** Milliseconds by a clock that never jumps. */
  readonly elapsed: () => number;
  /** Told what changed in the replica. */
  readonly changed: Pick<FollowerListener, 'moved' | 'rebuilt'>;
  /** Called after every note. */
  readonly noted: () => void;
}

/** Makes the listener. */
export function createListener(options: ListenerOptions): FollowerListener {
  const { replica, notes, emitter, now, elapsed, changed, noted } = options;
  /** The last beat, and for how long this process has seen no other. */
  let heard: { readonly beat: number | undefined; silentMs: number } | undefined;
  let lookedAt = elapsed();

  function setLive(live: boolean): void {
    const becomes = live && !notes.live;
    notes.live = live;
    if (becomes) emitter.emit('live');
  }
  /** A replica that lost the row with its position is at 0, and serves what is left of it. */
  function setReached(position = 0): void {
    if (position > 0) notes.reached = position;
  }
  function setTrouble(error: Error | undefined): void {
    const isNew = error !== undefined && notes.trouble?.message !== error.message;
    notes.trouble = error;
    if (isNew) emitter.raise(error);
  }
  function take({ lastContactAt, caughtUpAt, live, trouble }: Following): void {
    if (lastContactAt?.getTime() !== notes.lastContactAt?.getTime()) notes.answers += 1;
    notes.lastContactAt = lastContactAt;
    notes.caughtUpAt = caughtUpAt;
    setTrouble(trouble && new FollowingError(trouble));
    setLive(live);
  }

  return {
    contact({ live }) {
      const at = now();
      notes.answers += 1;
      notes.lastContactAt = at;
      notes.following = true;
      if (live) {
        notes.caughtUpAt = at;
        // What is in memory alone is served all the same.
        notes.trouble = replica.problem;
        setLive(true);
      }
      noted();
    },
    moved(changes, reached) {
      setReached(reached);
      changed.moved(changes, reached);
    },
    rebuilt(reached) {
      setReached(reached);
      changed.rebuilt(reached);
    },
    watching(following) {
      notes.following = false;
      const at = elapsed();
      const lookMs = Math.min(at - lookedAt, LONGEST_LOOK_MS);
      lookedAt = at;
      if (!heard || following?.beat !== heard.beat) {
        heard = { beat: following?.beat, silentMs: 0 };
        if (following) take(following);
        return;
      }
      heard.silentMs += lookMs;
      if (heard.silentMs <= MISSED_NOTES * (following?.everyMs ?? FIRST_NOTE_MS)) return;
      notes.live = false;
      // Reported once: how long it has been silent changes with every look.
      const isKnown = notes.trouble instanceof ReplicaError && notes.trouble.code === 'CERTBUS_REPLICA_SILENT';
      if (!isKnown) setTrouble(silent(following ?? { holder: 'unknown' }, heard.silentMs));
    },
    failed(error) {
      // A bus that is away is waited for; a replica that cannot be written takes nothing even if the bus answers.
      if (error instanceof ReplicaError) notes.live = false;
      notes.following = replica.advancing && !(error instanceof ReplicaError);
      setTrouble(error);
      noted();
    },
  };
}
