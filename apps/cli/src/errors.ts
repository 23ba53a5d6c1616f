/** How the command line itself can fail: the error and its codes. */
/** Every way the command line itself can refuse; `docs/errors.md` says what to do about each. */
export type CliErrorCode = 'CERTBUS_CLI_USAGE' | 'CERTBUS_CLI_INTERRUPTED' | 'CERTBUS_CLI_RENEWAL_FAILED';

/** A refusal of the command line. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly code: CliErrorCode;

  constructor(code: CliErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
