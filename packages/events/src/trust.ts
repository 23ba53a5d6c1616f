/** The trust line: what a client pins of a bus. */
import { isBase64url } from './canonical.ts';
import { EventsError } from './errors.ts';

/** What a client pins of a bus: its id and the public key of its root. */
export interface Trust {
  readonly busId: string;
  readonly rootKey: string;
}

/** Draws a bus's id: 256 random bits, base64url. */
export function createBusId(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url');
}

/** One line, `certbus1 BUSID ROOTKEY`, as `bus.pub` holds it. */
export function formatTrust({ busId, rootKey }: Trust): string {
  return `certbus1 ${busId} ${rootKey}`;
}

/** Reads a trust line. Throws `CERTBUS_EVENTS_TRUST_MALFORMED`. */
export function parseTrust(text: string): Trust {
  const [, busId = '', rootKey = ''] = /^certbus1 (\S+) (\S+)$/.exec(text.trim()) ?? [];
  if (!isBase64url(busId, 32) || !isBase64url(rootKey, 32)) {
    throw new EventsError(
      'CERTBUS_EVENTS_TRUST_MALFORMED',
      'A trust line reads "certbus1 BUSID ROOTKEY", as in the file bus.pub that certbus init writes; this one does not.',
    );
  }
  return { busId, rootKey };
}
