/** Every way a replica can fail; `docs/errors.md` says what to do about each. */
export type ReplicaErrorCode =
  | 'CERTBUS_REPLICA_OTHER_BUS'
  | 'CERTBUS_REPLICA_BEHIND'
  | 'CERTBUS_REPLICA_NOT_READY'
  | 'CERTBUS_REPLICA_READ_ONLY'
  | 'CERTBUS_REPLICA_FAILED'
  | 'CERTBUS_REPLICA_DAMAGED'
  | 'CERTBUS_REPLICA_FILE_OPEN'
  | 'CERTBUS_REPLICA_CLOSED'
  | 'CERTBUS_REPLICA_SILENT';

/** A failure of the local replica. Branch on `code`, never on the message. */
export class ReplicaError extends Error {
  override readonly name = 'ReplicaError';
  readonly code: ReplicaErrorCode;

  constructor(code: ReplicaErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
