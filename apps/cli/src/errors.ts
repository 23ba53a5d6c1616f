/** How the command line itself can fail: the error and its codes. */
/** Every way the command line itself can refuse; `docs/errors.md` says what to do about each. */
export type CliErrorCode =
  | 'CERTBUS_CLI_USAGE'
  | 'CERTBUS_CLI_NO_MATCH'
  | 'CERTBUS_CLI_INTERRUPTED'
  | 'CERTBUS_CLI_DECLINED'
  | 'CERTBUS_CLI_ISSUANCE_FAILED'
  | 'CERTBUS_CLI_RENEWAL_FAILED'
  | 'CERTBUS_CLI_IMPORT_REFUSED'
  | 'CERTBUS_CLI_REVOCATION_FAILED'
  | 'CERTBUS_CLI_UNHEALTHY'
  | 'CERTBUS_CLI_EXPIRED'
  | 'CERTBUS_CLI_SERVER_UNREACHABLE'
  | 'CERTBUS_CLI_FILE_PROBLEM'
  | 'CERTBUS_CLI_ROOT_KEY_MISSING'
  | 'CERTBUS_CLI_PORT_PROBLEM';

/** A refusal of the command line. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly code: CliErrorCode;
  /** What the command found or did before it failed; `undefined` where there is nothing to tell. */
  readonly result: unknown;

  constructor(code: CliErrorCode, message: string, options: ErrorOptions & { readonly result?: unknown } = {}) {
    const { result, ...rest } = options;
    super(message, rest);
    this.code = code;
    this.result = result;
  }
}
