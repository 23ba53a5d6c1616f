/** The errors of this package. */

/** Every way a log or a bus can fail; `docs/errors.md` says what to do about each. */
export type StoreErrorCode =
  | 'CERTBUS_STORE_VERSION_CONFLICT'
  | 'CERTBUS_STORE_OUTCOME_UNKNOWN'
  | 'CERTBUS_STORE_NOT_FOUND'
  | 'CERTBUS_STORE_UNREACHABLE'
  | 'CERTBUS_STORE_THROTTLED'
  | 'CERTBUS_STORE_ACCESS_DENIED'
  | 'CERTBUS_STORE_DAMAGED'
  | 'CERTBUS_STORE_FULL'
  | 'CERTBUS_STORE_READ_ONLY'
  | 'CERTBUS_STORE_NODE_TOO_OLD'
  | 'CERTBUS_STORE_TOO_LARGE'
  | 'CERTBUS_STORE_ADDRESS_INVALID'
  | 'CERTBUS_STORE_PROXY_INVALID'
  | 'CERTBUS_STORE_GAP'
  | 'CERTBUS_STORE_TRIMMED'
  | 'CERTBUS_STORE_SNAPSHOT_REFUSED'
  | 'CERTBUS_STORE_ARCHIVE_REFUSED'
  | 'CERTBUS_STORE_EXPORT_REFUSED'
  | 'CERTBUS_STORE_EXPORT_UNREADABLE'
  | 'CERTBUS_STORE_EXPORT_BUSY'
  | 'CERTBUS_STORE_UNSUPPORTED'
  | 'CERTBUS_STORE_ATTEMPTS_EXHAUSTED'
  | 'CERTBUS_STORE_CLOSED';

/** A failure of the bus's store. Branch on `code`, never on the message. */
export class StoreError extends Error {
  override readonly name: string = 'StoreError';
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** `CERTBUS_STORE_VERSION_CONFLICT`: the position is taken by other bytes, or the position before it is empty. */
export class VersionConflictError extends StoreError {
  override readonly name = 'VersionConflictError';
  readonly stream: string;
  /** The position that the append wanted to write. */
  readonly position: number;
  /** What is at that position, where the adapter knows it; `undefined` when the append was beyond the head. */
  readonly found: Uint8Array | undefined;

  constructor(stream: string, position: number, found?: Uint8Array) {
    super(
      'CERTBUS_STORE_VERSION_CONFLICT',
      found
        ? `Append to "${stream}" at position ${position} refused: another commit is there`
        : `Append to "${stream}" at position ${position} refused: position ${position - 1} is not in the log`,
    );
    this.stream = stream;
    this.position = position;
    this.found = found;
  }
}

/** `CERTBUS_STORE_TRIMMED`: what was asked for is in the archive only. */
export class TrimmedError extends StoreError {
  override readonly name = 'TrimmedError';
  /** The first position that is still in the log. */
  readonly first: number;

  constructor(stream: string, first: number) {
    const what = `Stream "${stream}" begins at position ${first}: what came before is in the archive. No archive is configured, or it does not have these commits: look at "archive" in certbus.json, CERTBUS_ARCHIVE, or the client's option "archive".`;
    super('CERTBUS_STORE_TRIMMED', what);
    this.first = first;
  }
}
