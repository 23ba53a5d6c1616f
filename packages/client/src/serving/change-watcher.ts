/** Finds what changed in a replica since the last look. */
import { lineOf } from '@certbus/events/history';
import type { Replica } from '@certbus/replica';
import type { MaterialEmitter } from './events.ts';
import type { KeyVault } from './key-vault.ts';
import type { Openings } from './openings.ts';

/** Changes that are reported one by one; a million of them would block the event loop. */
const MAX_REPORTED = 10_000;

/** Makes what reports changes since the last call: as `changed` events, or as `rebuilt` where there are too many. */
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
}): () => void {
  const at = () => {
    const checkpoint = replica.checkpoint();
    return { position: checkpoint.position, line: lineOf(checkpoint) };
  };
  let seen = at();
  return () => {
    const reached = at();
    const changes = replica.changedSince(Math.min(seen.position, reached.position), MAX_REPORTED + 1);
    // A replica that was begun again is behind what was seen of the one before, or goes another way.
    const isAnother = reached.position < seen.position || reached.line !== seen.line;
    seen = reached;
    if (isAnother || changes.length > MAX_REPORTED) {
      openings.clear();
      emitter.emit('rebuilt');
      return;
    }
    for (const { certificateId, names } of changes) {
      const certificate = replica.certificate(certificateId);
      openings.keep(certificateId, certificate);
      const removed = certificate?.removed ?? true;
      if (!removed && !certificate?.current) continue;
      if (removed) vault.forget(certificateId);
      emitter.emit('changed', { certificateId, names, removed });
    }
  };
}
