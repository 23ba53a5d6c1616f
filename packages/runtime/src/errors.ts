/** How starting a manager on a machine can fail; the error and its codes. */
import { StoreError } from '@certbus/store';

/** Every way the files and the environment of a machine can be refused; `docs/errors.md` says what to do about each. */
export type RuntimeErrorCode =
  | 'CERTBUS_CLI_CONFIG_MISSING'
  | 'CERTBUS_CLI_CONFIG_INVALID'
  | 'CERTBUS_CLI_FILE_UNREADABLE'
  | 'CERTBUS_CLI_FILE_EXISTS'
  | 'CERTBUS_CLI_KEY_FILE_OPEN'
  | 'CERTBUS_CLI_CONFIG_OPEN'
  | 'CERTBUS_CLI_SECRET_REFERENCE_INVALID'
  | 'CERTBUS_CLI_SECRET_MISSING'
  | 'CERTBUS_CLI_SECRET_DENIED'
  | 'CERTBUS_CLI_SECRET_UNREACHABLE'
  | 'CERTBUS_CLI_CHECKPOINT_REFUSED';

/** A refusal of the files or the environment of this machine. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
  readonly code: RuntimeErrorCode;

  constructor(code: RuntimeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The error of a stream that holds nothing: a wrong name, or a bus that was removed. Never an empty success. */
export function nothingThere(address: string): StoreError {
  const what = `The bus ${address} does not exist: its stream is empty. Is the stream's name right? If the bus was there before, it was removed: look at the guide "Back up and restore a bus".`;
  return new StoreError('CERTBUS_STORE_NOT_FOUND', what);
}
