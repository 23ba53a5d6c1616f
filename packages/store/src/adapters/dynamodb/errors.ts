/** What errors of DynamoDB and its SDK mean for a log. */

import { describeRefusedCredentials } from '../../aws-credentials.ts';
import { describeDenial, isRefused } from '../../denial.ts';
import { StoreError, type StoreErrorCode } from '../../errors.ts';

const THROTTLED = [
  'CERTBUS_STORE_THROTTLED',
  'is throttling. Try again later; where it lasts, raise its capacity, or that of the account.',
] as const satisfies readonly [StoreErrorCode, string];
const BUSY = [
  'CERTBUS_STORE_THROTTLED',
  'is busy: another program is writing to the same item. Try again later; where it lasts, find out who else writes to this table.',
] as const satisfies readonly [StoreErrorCode, string];

/** Errors of the service that an operator can do something about, by name. */
const MEANING: Readonly<Record<string, readonly [StoreErrorCode, string]>> = {
  ResourceNotFoundException: [
    'CERTBUS_STORE_NOT_FOUND',
    'does not exist in this account and region. Are the name and the region right? A new one is made with "certbus init".',
  ],
  ValidationException: [
    'CERTBUS_STORE_DAMAGED',
    'refuses the request: is it a CertBus table, with the keys "s" and "v"?',
  ],
  AccessDeniedException: ['CERTBUS_STORE_ACCESS_DENIED', 'cannot be used with these credentials: look at the policy.'],
  ProvisionedThroughputExceededException: THROTTLED,
  ThrottlingException: THROTTLED,
  RequestLimitExceeded: THROTTLED,
  // Another program writes to the item: no release of CertBus uses transactions, or more than one region.
  TransactionConflictException: BUSY,
  ReplicatedWriteConflictException: BUSY,
};

const FINAL = new Set<StoreErrorCode>([
  'CERTBUS_STORE_NOT_FOUND',
  'CERTBUS_STORE_ACCESS_DENIED',
  'CERTBUS_STORE_DAMAGED',
  'CERTBUS_STORE_ADDRESS_INVALID',
  'CERTBUS_STORE_PROXY_INVALID',
  'CERTBUS_STORE_TRIMMED',
]);

/** Says what an error of the SDK or the service means for a table. What is not known counts as an outage. */
export function wrapDynamoDbError(table: string, error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const name = error instanceof Error ? error.name : '';
  const message = error instanceof Error ? error.message : String(error);
  if (message === 'Region is missing') {
    const what = 'The address of the bus names no region, and AWS_REGION is not set. Add "?region=…" to the address.';
    return new StoreError('CERTBUS_STORE_ADDRESS_INVALID', what, { cause: error });
  }
  const refused = describeRefusedCredentials(error);
  if (refused !== undefined) {
    const what = `The DynamoDB table "${table}" ${refused}`;
    return new StoreError('CERTBUS_STORE_ACCESS_DENIED', what, { cause: error });
  }
  const known = MEANING[name];
  const happened = isRefused(error) ? 'refuses the request' : 'could not be reached';
  const [code, what] = known ?? (['CERTBUS_STORE_UNREACHABLE', `${happened}: ${message}.`] as const);
  const denial = known && describeDenial(error);
  const whole = denial ? `${what} ${denial}.` : what;
  return new StoreError(code, `The DynamoDB table "${table}" ${whole}`, { cause: error });
}

/** That a table takes nothing for now. */
export function throttled(table: string): StoreError {
  const [code, what] = THROTTLED;
  return new StoreError(code, `The DynamoDB table "${table}" ${what}`);
}

/** Whether the service refused a request before it did anything, and will take it later. */
export function isRefusedForNow({ code }: StoreError): boolean {
  return code === 'CERTBUS_STORE_THROTTLED';
}

/** Whether trying again cannot help. */
export function isFinal({ code }: StoreError): boolean {
  return FINAL.has(code);
}
