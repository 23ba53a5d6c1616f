/** Passes on what changed in a replica: to those who keep something of it here, and as events. */
import type { FollowerListener, KeyVault, Replica } from '@certbus/replica';
import type { MaterialEmitter } from './events.ts';
import type { Openings } from './openings.ts';

/** Makes what passes changes on: as `changed` events, or as `rebuilt` where everything can have changed. */
export function createChangeWatcher({
  replica,
  vault,
  openings,
  emitter,
}: {
  readonly replica: Replica;
  readonly vault: KeyVault;
  readonly openings: Pick<Openings<unknown>, 'keep' | 'clear'>;
  readonly emitter: MaterialEmitter;
}): Pick<FollowerListener, 'moved' | 'rebuilt'> {
  return {
    moved(changes) {
      for (const { certificateId, names, removed } of changes) {
        const certificate = replica.certificate(certificateId);
        openings.keep(certificateId, certificate);
        vault.update(certificateId, certificate);
        emitter.emit('changed', { certificateId, names, removed });
      }
    },
    rebuilt() {
      openings.clear();
      emitter.emit('rebuilt');
    },
  };
}
