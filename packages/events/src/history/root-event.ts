/** Root events: the envelope that the root key signs. */
import { isBase64url } from '../canonical.ts';
import type {
  BusRestored,
  FormatRaised,
  ManagerExpelled,
  ManagersUpdated,
  RecipientsUpdated,
} from '../event-types/bus-events.ts';
import { isSignatureOf, SIGNATURE_BYTES, type Signer } from '../keys.ts';
import type { Trust } from '../trust.ts';

/** A root event as it is written in a commit: the body's exact text, signed by the root for one bus and one place in the sequence. */
export interface RootEnvelope {
  readonly type: string;
  /** One more than the last root event's, or for `BusRestored` higher still; the first has 1. */
  readonly rootSequence: number;
  /** JSON text of the event, without `rootSequence`. */
  readonly body: string;
  /** Ed25519 by the root key, base64url. */
  readonly rootSignature: string;
}

/** A root event with the position of the commit that carried it. */
export interface PlacedRootEvent {
  readonly position: number;
  readonly root: RootEnvelope;
}

/** An event that only the root can write. */
export type RootEvent = ManagersUpdated | ManagerExpelled | RecipientsUpdated | FormatRaised | BusRestored;

/** What the root signs of an event: all but its sequence, which the envelope carries. */
export type RootBody = RootEvent extends infer Event
  ? Event extends RootEvent
    ? Omit<Event, 'rootSequence'>
    : never
  : never;

function messageOf(busId: string, rootSequence: number, body: string): Uint8Array {
  return Buffer.from(`certbus/root/v1\0${busId}\0${rootSequence}\0${body}`);
}

/** Signs a root event for one bus. `rootSequence` is one more than the last one on it; that of `BusRestored` may leap. */
export function signRootEvent(root: Signer, busId: string, rootSequence: number, event: RootBody): RootEnvelope {
  const body = JSON.stringify(event);
  const signature = root.sign(messageOf(busId, rootSequence, body));
  return { type: event.type, rootSequence, body, rootSignature: Buffer.from(signature).toString('base64url') };
}

/** Whether the root of `trust` signed this envelope for its bus. */
export function isSignedByRoot(trust: Trust, { rootSequence, body, rootSignature }: RootEnvelope): boolean {
  const message = messageOf(trust.busId, rootSequence, body);
  // Envelopes of a snapshot have not been read by the codec.
  if (!isBase64url(rootSignature, SIGNATURE_BYTES) || !body.isWellFormed()) return false;
  return isSignatureOf(trust.rootKey, message, Buffer.from(rootSignature, 'base64url'));
}
