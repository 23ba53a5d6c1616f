import { StoreError } from '@certbus/store';

/** Every way the command line itself can refuse; `docs/errors.md` says what to do about each. */
export type CliErrorCode =
  | 'CERTBUS_CLI_CONFIG_MISSING'
  | 'CERTBUS_CLI_CONFIG_INVALID'
  | 'CERTBUS_CLI_FILE_UNREADABLE'
  | 'CERTBUS_CLI_KEY_FILE_OPEN'
  | 'CERTBUS_CLI_CONFIG_OPEN'
  | 'CERTBUS_CLI_USAGE'
  | 'CERTBUS_CLI_INTERRUPTED'
  | 'CERTBUS_CLI_RENEWAL_FAILED';

/** A refusal of the command line. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly code: CliErrorCode;

  constructor(code: CliErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The error of a stream that holds nothing: a wrong name, or a bus that was removed. Never an empty success. */
export function nothingThere(address: string): StoreError {
  const what = `There is no bus at ${address}: nothing lies in its stream. Is the stream's name right? If the bus was there before, it was removed: look at the guide "Back up and restore a bus".`;
  return new StoreError('CERTBUS_STORE_NOT_FOUND', what);
}
