/** Checks of arguments that all adapters share. */
import { StoreError } from '../errors.ts';
import { MAX_COMMIT_BYTES } from '../log.ts';

/** Throws a `TypeError` unless `after` is a position, or 0 for the beginning. */
function checkPosition(after: number): void {
  if (!Number.isSafeInteger(after) || after < 0)
    throw new TypeError(`after is a whole number from 0 on, not ${String(after)}`);
}

/** Throws a `TypeError` unless a page can begin behind `after` and hold at most `limit` commits. */
export function checkRead(after: number, limit: number): void {
  checkPosition(after);
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw new TypeError(`limit is a whole number from 1 on, not ${String(limit)}`);
}

/** Throws unless this can be appended: a position, and bytes within the limit (`CERTBUS_STORE_TOO_LARGE`). */
export function checkAppend(stream: string, after: number, bytes: Uint8Array): void {
  checkPosition(after);
  if (bytes.length <= MAX_COMMIT_BYTES) return;
  throw new StoreError(
    'CERTBUS_STORE_TOO_LARGE',
    `A commit of ${bytes.length} bytes for "${stream}" is over the limit of ${MAX_COMMIT_BYTES}. Say less in one commit.`,
  );
}

/** Throws unless these bytes could be at this position. */
export function checkReplace(stream: string, position: number, bytes: Uint8Array | undefined): void {
  checkAppend(stream, position - 1, bytes ?? new Uint8Array());
}

/** The error of every call after `close`. */
export function closedError(): StoreError {
  return new StoreError('CERTBUS_STORE_CLOSED', 'This log was closed.');
}
