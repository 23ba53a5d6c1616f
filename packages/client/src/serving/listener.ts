/** Notes what following the bus meets, and raises alarms. */
import type { FollowerListener } from '@certbus/replica';
import type { Notes } from '../health.ts';
import type { MaterialEmitter } from './events.ts';

/** Makes the listener; `moved` is called when the replica may have changed. */
export function createListener(
  { notes, emitter, now }: { readonly notes: Notes; readonly emitter: MaterialEmitter; readonly now: () => Date },
  moved: () => void,
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
    moved,
    watching() {
      notes.following = false;
      notes.trouble = undefined;
      becomeLive();
    },
    failed(error) {
      const isNew = notes.trouble?.message !== error.message;
      notes.trouble = error;
      if (isNew) emitter.emit('alarm', error);
    },
  };
}
