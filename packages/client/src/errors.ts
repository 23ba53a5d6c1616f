/** Every way a client can fail; `docs/errors.md` says what to do about each. */
export type ClientErrorCode =
  | 'CERTBUS_CLIENT_BUS_UNREACHABLE'
  | 'CERTBUS_CLIENT_FILE_UNREADABLE'
  | 'CERTBUS_CLIENT_KEY_FILE_OPEN'
  | 'CERTBUS_CLIENT_KEY_NOT_OPENED'
  | 'CERTBUS_CLIENT_NAME_UNKNOWN'
  | 'CERTBUS_CLIENT_REPLICA_SET_ASIDE';

/** A failure or an alarm of the client. Branch on `code`, never on the message. */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly code: ClientErrorCode;

  constructor(code: ClientErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
