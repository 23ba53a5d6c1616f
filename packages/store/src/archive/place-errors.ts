/** Checks and errors that all places of archives share. */
import { describeRefusedCredentials } from '../aws-credentials.ts';
import { describeDenial, isRefused } from '../denial.ts';
import { StoreError, type StoreErrorCode } from '../errors.ts';

const KEY = /^[\w-]+(?:\/[\w.-]+)*$/;

/** Throws a `TypeError` unless a key is a path of safe characters that leads nowhere else. */
export function checkKey(key: string): void {
  if (!KEY.test(key) || key.includes('..')) throw new TypeError(`${JSON.stringify(key)} is not a key of an archive`);
}

/** Throws `CERTBUS_STORE_TOO_LARGE` where there is more at a key than is wanted. */
export function checkSize(key: string, size: number | undefined, maxBytes: number): void {
  if (size !== undefined && size <= maxBytes) return;
  const what = `The archive's ${key} has ${size ?? 'an unknown number of'} bytes, where at most ${maxBytes} can be: nothing of CertBus is that large.`;
  throw new StoreError('CERTBUS_STORE_TOO_LARGE', what);
}

/** How S3 answers a request to another region than that of the bucket; which of them depends on the two regions. */
const WRONG_REGION = [
  'CERTBUS_STORE_ADDRESS_INVALID',
  'is in a bucket of another region: correct "?region=…" in its address or, where that has none, AWS_REGION',
] as const satisfies readonly [StoreErrorCode, string];

const MEANING: Readonly<Record<string, readonly [StoreErrorCode, string]>> = {
  EACCES: ['CERTBUS_STORE_ACCESS_DENIED', 'cannot be used by this user: check owner and mode'],
  EPERM: ['CERTBUS_STORE_ACCESS_DENIED', 'cannot be used by this user: check owner and mode'],
  ENOTREG: [
    'CERTBUS_STORE_ACCESS_DENIED',
    'is not a regular file, but a pipe, a socket or a device: find out who put it there',
  ],
  ENXIO: [
    'CERTBUS_STORE_ACCESS_DENIED',
    'is not a regular file, but a pipe, a socket or a device: find out who put it there',
  ],
  EROFS: ['CERTBUS_STORE_READ_ONLY', 'is on a disk mounted read-only'],
  ENOSPC: ['CERTBUS_STORE_FULL', 'does not fit on its disk any more: make room'],
  EDQUOT: ['CERTBUS_STORE_FULL', 'is over the quota of its disk: make room'],
  NoSuchBucket: [
    'CERTBUS_STORE_NOT_FOUND',
    'is in a bucket that does not exist: look whether name and region are right',
  ],
  PermanentRedirect: WRONG_REGION,
  AuthorizationHeaderMalformed: WRONG_REGION,
  IllegalLocationConstraintException: WRONG_REGION,
  AccessDenied: ['CERTBUS_STORE_ACCESS_DENIED', 'cannot be used with these credentials: look at the policy'],
  SlowDown: ['CERTBUS_STORE_THROTTLED', 'is throttling'],
  // A rule of the bucket moved it to Glacier.
  InvalidObjectState: [
    'CERTBUS_STORE_UNREACHABLE',
    'is in a storage class from which it has to be restored first: restore it, and correct the lifecycle rules of its bucket',
  ],
};

/** Errors of S3 where the KMS key of a bucket is disabled, about to be deleted, or gone ("Error responses", `KMS.DisabledException` and others). */
const OF_KMS = /^KMS\./;
const KMS_KEY = [
  'CERTBUS_STORE_ACCESS_DENIED',
  'is encrypted with a KMS key that cannot be used: look at the state and the policy of that key',
] as const satisfies readonly [StoreErrorCode, string];

/** Turns an error of a disk or of S3 into what it means for an archive. An unknown one counts as an outage. */
export function wrapPlaceError(place: string, error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (message === 'Region is missing') {
    const what =
      'The address of the archive names no region, and AWS_REGION is not set. Add "?region=…" to the address.';
    return new StoreError('CERTBUS_STORE_ADDRESS_INVALID', what, { cause: error });
  }
  const refused = describeRefusedCredentials(error);
  if (refused !== undefined) {
    const what = `The archive at ${place} ${refused}`;
    return new StoreError('CERTBUS_STORE_ACCESS_DENIED', what, { cause: error });
  }
  const names = error instanceof Error ? [error.name, 'code' in error ? String(error.code) : ''] : [];
  const known = names
    .map((name) => MEANING[name] ?? (OF_KMS.test(name) ? KMS_KEY : undefined))
    .find((meaning) => meaning !== undefined);
  const happened = isRefused(error) ? 'refuses the request' : 'could not be reached';
  const [code, what] = known ?? (['CERTBUS_STORE_UNREACHABLE', `${happened}: ${message.replace(/\.$/, '')}`] as const);
  // "…the region 'us-east-1' is wrong; expecting 'eu-central-1'".
  const region = known === WRONG_REGION ? /expecting '([a-z\d-]+)'/.exec(message)?.[1] : undefined;
  const more = region === undefined ? known && describeDenial(error) : `S3 expects ${region}`;
  const whole = more ? `${what}. ${more}` : what;
  return new StoreError(code, `The archive at ${place} ${whole}.`, { cause: error });
}
