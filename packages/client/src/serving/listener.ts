/** Notes what following the bus meets, and raises alarms. */
import { type FollowerListener, ReplicaError } from '@certbus/replica';
import type { Notes } from '../health.ts';
import type { MaterialEmitter } from './events.ts';

/** Makes the listener; `changed` is told what changed in the replica. */
export function createListener(
  { notes, emitter, now }: { readonly notes: Notes; readonly emitter: MaterialEmitter; readonly now: () => Date },
  changed: Pick<FollowerListener, 'moved' | 'rebuilt'>,
): FollowerListener {
  const becomeLive = () => {
    if (notes.live) return;
    notes.live = true;
    emitter.emit('live');
  };
  return {
    contact({ live }) {
      notes.answers += 1;
      notes.lastContactAt = now();
      notes.following = true;
      if (live) {
        notes.trouble = undefined;
        becomeLive();
      }
    },
    ...changed,
    watching() {
      notes.following = false;
      notes.trouble = undefined;
      becomeLive();
    },
    failed(error) {
      const isNew = notes.trouble?.message !== error.message;
      notes.trouble = error;
      // A bus that is away is waited for; a replica that cannot be written takes nothing even if the bus answers.
      if (error instanceof ReplicaError) {
        notes.live = false;
        notes.following = false;
      }
      if (isNew) emitter.raise(error);
    },
  };
}
