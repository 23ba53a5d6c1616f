/** Seals private keys again to the recipients in force, where an identity is that opens them. */
import {
  createOpener,
  EventsError,
  type IssuedCertificate,
  type ManagedCertificate,
  type Opener,
  type Recipient,
  seal,
} from '@certbus/events';
import type { ManagerState } from '../../state/state.ts';
import type { ResealedKey } from './resealed-keys.ts';

/** How keys are sealed again. */
export interface ResealOptions {
  /** age identity that opens them, `AGE-SECRET-KEY-1…`. */
  readonly identity: string;
  /** Takes each certificate whose key this identity does not open. */
  readonly onUnopened: (certificate: ManagedCertificate) => void;
  readonly signal: AbortSignal;
}

/** What is served of a certificate, or stands in for that. */
const issuedOf = ({ current, predecessors }: ManagedCertificate): readonly IssuedCertificate[] =>
  current ? [current, ...predecessors] : predecessors;

/** A key sealed to others; `undefined` where the identity does not open it, or it is another certificate's. */
async function sealTo(
  issued: IssuedCertificate,
  opener: Opener,
  recipients: readonly Recipient[],
): Promise<string | undefined> {
  try {
    return await seal(await opener.openKeyOf(issued), recipients);
  } catch (error) {
    if (error instanceof EventsError && /_(?:NOT_OPENED|KEY_MISMATCH)$/.test(error.code)) return undefined;
    throw error;
  }
}

/**
 * Opens every private key of a bus that an identity opens, and seals it to the recipients in force, one after the other: no key is in the clear
 * longer than that. No manager's key is needed, and nothing is written. Rejects with the signal's reason.
 */
export async function* resealKeys(
  { bus, all }: Pick<ManagerState, 'bus' | 'all'>,
  { identity, onUnopened, signal }: ResealOptions,
): AsyncGenerator<ResealedKey> {
  const opener = createOpener(identity);
  for (const certificate of all()) {
    const { certificateId } = certificate;
    for (const issued of issuedOf(certificate)) {
      signal.throwIfAborted();
      const sealedKey = await sealTo(issued, opener, bus.recipients);
      if (sealedKey !== undefined) yield { certificateId, leafHash: issued.leafHash, sealedKey };
      else if (issued === certificate.current) onUnopened(certificate);
    }
  }
}
