/** Tests of what errors of S3 mean for an archive. */
import { expect, test } from 'vitest';
import { wrapPlaceError } from './place-errors.ts';

const errorOf = (name: string, message: string) => Object.assign(new Error(message), { name });

test.each([
  ['KMS.DisabledException', 'arn:aws:kms:eu-central-1:123456789012:key/1 is disabled.'],
  ['KMS.KMSInvalidStateException', 'arn:aws:kms:eu-central-1:123456789012:key/1 is pending deletion.'],
  ['KMS.NotFoundException', 'Key does not exist'],
])('a bucket whose KMS key cannot be used (%s) is denied, and not out of reach', (name, said) => {
  const { code, message } = wrapPlaceError('s3://bucket/certbus', errorOf(name, said));
  expect(code).toBe('CERTBUS_STORE_ACCESS_DENIED');
  expect(message).toContain('is encrypted with a KMS key that cannot be used: look at the state and the policy');
});

test.each([
  [
    'User: arn:aws:sts::1:assumed-role/lb/x is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu-central-1:1:key/1 because no identity-based policy allows the kms:Decrypt action',
    'arn:aws:sts::1:assumed-role/lb/x lacks kms:Decrypt on arn:aws:kms:eu-central-1:1:key/1',
  ],
  [
    'The ciphertext refers to a customer master key that does not exist, or you are not allowed to access.',
    'AWS says: The ciphertext refers to a customer master key that does not exist, or you are not allowed to access',
  ],
])('what AWS says of a KMS key is in the message: %s', (said, shown) => {
  const { message } = wrapPlaceError('s3://bucket/certbus', errorOf('AccessDenied', said));
  expect(message).toBe(
    `The archive at s3://bucket/certbus cannot be used with these credentials: look at the policy. ${shown}.`,
  );
});

test('the region that S3 names for a bucket is in the message', () => {
  const said = "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-central-1'";
  const { message } = wrapPlaceError('s3://bucket/certbus', errorOf('AuthorizationHeaderMalformed', said));
  expect(message).toMatch(
    /^The archive at s3:\/\/bucket\/certbus is in a bucket .* AWS_REGION\. S3 expects eu-central-1\.$/,
  );
});

test.each([
  ['PermanentRedirect', 'CERTBUS_STORE_ADDRESS_INVALID', 'is in a bucket of another region: correct "?region=…"'],
  ['AuthorizationHeaderMalformed', 'CERTBUS_STORE_ADDRESS_INVALID', 'is in a bucket of another region'],
  ['RequestTimeTooSkewed', 'CERTBUS_STORE_ACCESS_DENIED', 'the clock of this machine is wrong'],
  ['SlowDown', 'CERTBUS_STORE_THROTTLED', 'is throttling'],
  ['InternalError', 'CERTBUS_STORE_UNREACHABLE', 'could not be reached: said.'],
])('%s is %s', (name, code, what) => {
  const error = wrapPlaceError('s3://bucket/certbus', errorOf(name, 'said'));
  expect(error).toMatchObject({ code, message: expect.stringContaining(what) });
});
