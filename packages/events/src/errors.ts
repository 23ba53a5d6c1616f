/** The errors of this package. */
import { cleanLine } from './printable.ts';

/** Every way bytes or keys can be refused; `docs/errors.md` says what to do about each. */
export type EventsErrorCode =
  | 'CERTBUS_EVENTS_COMMIT_MALFORMED'
  | 'CERTBUS_EVENTS_FORMAT_UNKNOWN'
  | 'CERTBUS_EVENTS_FORMAT_WRONG'
  | 'CERTBUS_EVENTS_OTHER_BUS'
  | 'CERTBUS_EVENTS_POSITION_WRONG'
  | 'CERTBUS_EVENTS_HISTORY_FORKED'
  | 'CERTBUS_EVENTS_ID_REPEATED'
  | 'CERTBUS_EVENTS_BELOW_FLOOR'
  | 'CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE'
  | 'CERTBUS_EVENTS_SIGNATURE_INVALID'
  | 'CERTBUS_EVENTS_ROOT_SIGNATURE_INVALID'
  | 'CERTBUS_EVENTS_ROOT_SEQUENCE_WRONG'
  | 'CERTBUS_EVENTS_KEY_MALFORMED'
  | 'CERTBUS_EVENTS_TRUST_MALFORMED'
  | 'CERTBUS_EVENTS_RECIPIENTS_INVALID'
  | 'CERTBUS_EVENTS_NOT_OPENED'
  | 'CERTBUS_EVENTS_KEY_MISMATCH'
  | 'CERTBUS_EVENTS_NAME_INVALID';

const MAX_MESSAGE = 600;

/** Anyone who can write to a store chooses the text of a refused commit, and the message is printed in logs and terminals. */
export function harmless(message: string): string {
  const cut = message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}…` : message;
  return cleanLine(cut);
}

/** A refused commit, key, seal or name. Branch on `code`, never on the message. */
export class EventsError extends Error {
  override readonly name: string = 'EventsError';
  readonly code: EventsErrorCode;

  constructor(code: EventsErrorCode, message: string, options?: ErrorOptions) {
    super(harmless(message), options);
    this.code = code;
  }
}

/** A commit that a bus's history cannot contain: forged, forked, moved or malformed. */
export class HistoryError extends EventsError {
  override readonly name = 'HistoryError';
  /** Where the history breaks. */
  readonly position: number;

  constructor(code: EventsErrorCode, position: number, message: string, options?: ErrorOptions) {
    super(code, `Commit ${position} refused: ${message}`, options);
    this.position = position;
  }
}
