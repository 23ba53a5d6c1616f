/** Decides which private keys that were sealed again take the place of those on the bus. */
import type { WrittenEvent } from '@certbus/events/history';
import type { Decision } from '@certbus/store';
import { ManagerError } from '../errors.ts';
import type { ManagerState } from '../state/state.ts';
import type { ResealedKey } from '../upkeep/key-changes/resealed-keys.ts';

/** Where age begins a file, and where its list of recipients ends. */
const VERSION = 'age-encryption.org/v1\n';
const END = '\n---';

/** Whether a text is an age file for so many recipients: what was damaged on the way would take a key from every server. */
function isSealedTo(sealedKey: string, recipients: number): boolean {
  const header = Buffer.from(sealedKey, 'base64').toString('latin1');
  const end = header.indexOf(END);
  if (!header.startsWith(VERSION) || end < 0) return false;
  return header.slice(0, end).split('\n-> ').length - 1 === recipients;
}

/**
 * Puts keys on the bus that were sealed again for recipients in force; those of certificates that were replaced or removed meanwhile are left out.
 * The result is how many are written. Throws `CERTBUS_MANAGER_REQUEST_OUTDATED` where the recipients changed, and
 * `CERTBUS_MANAGER_REQUEST_MALFORMED` for what is not sealed to as many.
 */
export function reseal(
  state: Pick<ManagerState, 'bus' | 'certificate'>,
  keys: readonly ResealedKey[],
  recipientsPosition: number,
): Decision<number> {
  const { recipients, recipientsPosition: inForce } = state.bus;
  if (inForce !== recipientsPosition) {
    const what = `The keys are sealed to the recipients of position ${recipientsPosition}, and others were named at position ${inForce}. Seal them again: "certbus recipient reseal".`;
    throw new ManagerError('CERTBUS_MANAGER_REQUEST_OUTDATED', what);
  }
  const events = keys.flatMap((key): WrittenEvent[] => {
    const { certificateId, leafHash, sealedKey } = key;
    const certificate = state.certificate(certificateId);
    const issued = [certificate?.current, ...(certificate?.predecessors ?? [])].find(
      (each) => each?.leafHash === leafHash,
    );
    if (!issued || issued.sealedKey === sealedKey) return [];
    if (isSealedTo(sealedKey, recipients.length))
      return [{ type: 'PrivateKeyResealed', certificateId, leafHash, sealedKey }];
    const what = `The key of ${certificateId} is not sealed to the ${recipients.length} recipients of the bus: the file was changed on the way. Make it again.`;
    throw new ManagerError('CERTBUS_MANAGER_REQUEST_MALFORMED', what);
  });
  return { events, result: events.length };
}
