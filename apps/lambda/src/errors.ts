/** Every way that is its own in which a function can fail; `docs/errors.md` says what to do about each. */
export type LambdaErrorCode =
  | 'CERTBUS_LAMBDA_BUS_NOT_READ'
  | 'CERTBUS_LAMBDA_IMPORT_FAILED'
  | 'CERTBUS_LAMBDA_IMPORT_UNFINISHED'
  | 'CERTBUS_LAMBDA_KEY_NOT_OPENED'
  | 'CERTBUS_LAMBDA_RUN_FAILED'
  | 'CERTBUS_LAMBDA_SETTING_INVALID';

/** A failure of a function. Branch on `code`, never on the message. */
export class LambdaError extends Error {
  override readonly name: string = 'LambdaError';
  readonly code: LambdaErrorCode;

  constructor(code: LambdaErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
