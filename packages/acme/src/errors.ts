/** The errors of this package. */

/** Every way a conversation with a CA, or with the DNS host that proves a name, can fail. */
export type AcmeErrorCode =
  | 'CERTBUS_ACME_PROBLEM'
  | 'CERTBUS_ACME_UNREACHABLE'
  | 'CERTBUS_ACME_BREAKER_OPEN'
  | 'CERTBUS_ACME_NOT_ACME'
  | 'CERTBUS_ACME_ORDER_INVALID'
  | 'CERTBUS_ACME_ORDER_GONE'
  | 'CERTBUS_ACME_CHALLENGE_FAILED'
  | 'CERTBUS_ACME_NO_SOLVER'
  | 'CERTBUS_ACME_SOLVER_FAILED'
  | 'CERTBUS_ACME_ZONE_NOT_FOUND'
  | 'CERTBUS_ACME_RECORD_MISSING'
  | 'CERTBUS_ACME_CERTIFICATE_REFUSED'
  | 'CERTBUS_ACME_DEADLINE'
  | 'CERTBUS_ACME_ACCOUNT_KEY_INVALID'
  | 'CERTBUS_ACME_ACCOUNT_KEY_TAKEN'
  | 'CERTBUS_ACME_KEY_CHANGE_UNSUPPORTED'
  | 'CERTBUS_ACME_EAB_INVALID'
  | 'CERTBUS_ACME_DIRECTORY_INVALID';

/** What may be added to an {@link AcmeError}. */
export interface AcmeErrorOptions extends ErrorOptions {
  /** The CA asks not to be asked again before this instant. */
  readonly notBefore?: Date | undefined;
  /** A name for each validation that the CA found invalid; default none. */
  readonly invalidNames?: readonly string[];
}

/** A failure of the ACME client. Branch on `code`, never on the message. */
export class AcmeError extends Error {
  override readonly name: string = 'AcmeError';
  readonly code: AcmeErrorCode;
  /** Where the CA said when to come back, that instant. */
  readonly notBefore: Date | undefined;
  /** A name for each validation that the CA found invalid, which it counts: twice where a wildcard failed as well. Without `*.`. */
  readonly invalidNames: readonly string[];

  constructor(
    code: AcmeErrorCode,
    message: string,
    { notBefore, invalidNames = [], ...options }: AcmeErrorOptions = {},
  ) {
    super(message, options);
    this.code = code;
    this.notBefore = notBefore;
    this.invalidNames = invalidNames;
  }
}

/** What may be added to a {@link DeadlineError}. */
export interface DeadlineErrorOptions extends AcmeErrorOptions {
  /** Default false. */
  readonly isLimit?: boolean;
  /** Default false. */
  readonly isProcessing?: boolean;
}

/**
 * `CERTBUS_ACME_DEADLINE`: the work did not end in the time that it was given. It has a `notBefore` only where the CA set the end of the
 * wait that would have passed the deadline.
 */
export class DeadlineError extends AcmeError {
  override readonly name = 'DeadlineError';
  /** Whether that wait was for room under a limit of the CA, which all orders share. */
  readonly isLimit: boolean;
  /** Whether the CA was at work on the certificate (RFC 8555 section 7.1.6): the order goes on, and a second one would be a second certificate. */
  readonly isProcessing: boolean;

  constructor(message: string, { isLimit = false, isProcessing = false, ...options }: DeadlineErrorOptions = {}) {
    super('CERTBUS_ACME_DEADLINE', message, options);
    this.isLimit = isLimit;
    this.isProcessing = isProcessing;
  }
}

/** `CERTBUS_ACME_RECORD_MISSING`: a person has to set records in DNS before a CA can be asked. */
export class RecordMissingError extends AcmeError {
  override readonly name = 'RecordMissingError';
  /** The records, each a line as zone files have it. */
  readonly records: readonly string[];

  constructor(attempt: string, records: readonly string[]) {
    const what = records.length === 1 ? 'this record' : 'these records';
    const message = `${attempt}. Set ${what}, wait until all name servers show it, and run the same command again: ${records.join(' and ')}`;
    super('CERTBUS_ACME_RECORD_MISSING', message);
    this.records = records;
  }
}
