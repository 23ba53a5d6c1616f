/** Every way a client can fail; `docs/errors.md` says what to do about each. */
export type ClientErrorCode =
  | 'CERTBUS_CLIENT_ALL_EXPIRED'
  | 'CERTBUS_CLIENT_BUS_UNREACHABLE'
  | 'CERTBUS_CLIENT_CHECK_IN_FAILED'
  | 'CERTBUS_CLIENT_CLOCK_BEHIND'
  | 'CERTBUS_CLIENT_FILE_UNREADABLE'
  | 'CERTBUS_CLIENT_KEY_FILE_OPEN'
  | 'CERTBUS_CLIENT_KEY_NOT_OPENED'
  | 'CERTBUS_CLIENT_KEY_TYPE_UNUSED'
  | 'CERTBUS_CLIENT_LISTENER_FAILED'
  | 'CERTBUS_CLIENT_NAME_UNKNOWN'
  | 'CERTBUS_CLIENT_NO_KEY_OPENS'
  | 'CERTBUS_CLIENT_WRITER_UNTHREADED';

/** A failure or an alarm of the client. Branch on `code`, never on the message. */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly code: ClientErrorCode;

  constructor(code: ClientErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The error of a certificate whose key or chain this server cannot use, `CERTBUS_CLIENT_KEY_NOT_OPENED`. */
export function notOpened(
  { certificateId, issued }: { readonly certificateId: string; readonly issued: { readonly serialNumber: string } },
  cause: unknown,
): ClientError {
  const why = cause instanceof Error ? cause.message : 'unknown';
  const what = `The private key of certificate ${certificateId} (serial ${issued.serialNumber}) cannot be used on this server: ${why}`;
  return new ClientError('CERTBUS_CLIENT_KEY_NOT_OPENED', what, { cause });
}

/** The alarm that a certificate does not fit the settings of a server whose default it would be, `CERTBUS_CLIENT_KEY_NOT_OPENED`. */
export function unfitForDefault(
  { certificateId, serialNumber }: { readonly certificateId: string; readonly serialNumber: string },
  cause: unknown,
): ClientError {
  const why = cause instanceof Error ? cause.message : 'unknown';
  const what = `Certificate ${certificateId} (serial ${serialNumber}) is not shown to clients that name no server, since it does not fit the settings of the server, such as its ciphers: ${why}. They get what they got before at this address, or the server's own certificate. Change the settings or the key type.`;
  return new ClientError('CERTBUS_CLIENT_KEY_NOT_OPENED', what, { cause });
}

/** The alarm that a name has certificates of which a server shows only one, `CERTBUS_CLIENT_KEY_TYPE_UNUSED`. */
export function keyTypeUnused(serverName: string): ClientError {
  const what = `${serverName} has certificates of several key types, and a server that was not attached shows the same one to every client. Attach the server, so that each client gets one that it can use.`;
  return new ClientError('CERTBUS_CLIENT_KEY_TYPE_UNUSED', what);
}
