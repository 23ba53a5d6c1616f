/** Passes on what changed in a replica: to those who keep something of it here, and as events. */
import type { FollowerListener, KeyVault, Replica } from '@certbus/replica';
import type { MaterialEmitter } from './events.ts';
import type { Openings } from './openings.ts';

/** Makes what passes changes of what is served on: as `changed` events, or as `rebuilt` where everything can have changed. */
export function createChangeWatcher({
  replica,
  vault,
  openings,
  emitter,
}: {
  readonly replica: Pick<Replica, 'certificate'>;
  readonly vault: Pick<KeyVault, 'update'>;
  readonly openings: Pick<Openings<unknown>, 'keep' | 'clear'>;
  readonly emitter: MaterialEmitter;
}): Pick<FollowerListener, 'moved' | 'rebuilt'> {
  return {
    moved(changes) {
      for (const { certificateId, names, isServed } of changes) {
        const certificate = replica.certificate(certificateId);
        // One that was removed has a row, too. This one does not read: what was served of it stays until the replica was read from the bus again.
        if (!certificate) continue;
        const mayOpen = openings.keep(certificateId, certificate);
        vault.update(certificateId, certificate);
        // A key that is sealed to others as well changes nothing that is served, unless it did not open here.
        if (!isServed && !mayOpen) continue;
        emitter.emit('changed', { certificateId, names, removed: certificate.removed });
      }
    },
    rebuilt() {
      openings.clear();
      emitter.emit('rebuilt');
    },
  };
}
