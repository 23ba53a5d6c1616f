/** Notes in the replica how following stands, for the processes of this machine that read along. */
import type { FollowingNote, Replica } from '@certbus/replica';
import { type Notes, troubleOf } from '../health.ts';

/** What writes the notes while this process advances the replica, and nothing while another one does. */
export interface FollowingNotes {
  /** Notes how it stands now; to be called at regular intervals, so that a process which stopped is noticed. */
  beat(): void;
  /** Notes how it stands where liveness or the error changed since the last note; every second as long as the first catch-up goes on. */
  update(): void;
}

const CATCH_UP_BEAT_MS = 1_000;

/** Makes what writes the notes. One that cannot be written, as on a full disk, is left to the next beat. */
export function createFollowingNotes({
  replica,
  notes,
  everyMs,
  elapsed,
}: {
  readonly replica: Pick<Replica, 'advancing' | 'note'>;
  readonly notes: Notes;
  /** Time between two beats, milliseconds. */
  readonly everyMs: number;
  /** Milliseconds by a clock that never jumps. */
  readonly elapsed: () => number;
}): FollowingNotes {
  let written: string | undefined;
  let writtenAt = Number.NEGATIVE_INFINITY;
  let isWriting = false;
  let isDue = false;
  const mark = () => `${notes.live} ${notes.trouble?.message}`;
  const current = (): FollowingNote => ({
    everyMs,
    lastContactAt: notes.lastContactAt,
    caughtUpAt: notes.caughtUpAt,
    live: notes.live,
    trouble: notes.trouble && troubleOf(notes.trouble),
  });

  async function write(): Promise<void> {
    isDue = isWriting;
    if (isWriting || !replica.advancing) return;
    isWriting = true;
    written = mark();
    writtenAt = elapsed();
    await replica.note(current()).catch(() => {
      written = undefined;
    });
    isWriting = false;
    if (isDue) await write();
  }

  return {
    beat: () => void write(),
    update() {
      // Who waits for a first catch-up waits as long as the bus answers.
      const isAwaited = !notes.live && elapsed() - writtenAt >= CATCH_UP_BEAT_MS;
      if (isAwaited || mark() !== written) void write();
    },
  };
}
