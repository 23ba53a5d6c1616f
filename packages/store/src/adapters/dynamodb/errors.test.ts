/** Tests of what errors of DynamoDB mean for a table. */
import { expect, test } from 'vitest';
import { wrapDynamoDbError } from './errors.ts';

test('a table whose KMS key cannot be used is denied, with what AWS says of the key', () => {
  const error = Object.assign(new Error('KMS key access denied error.'), { name: 'AccessDeniedException' });
  expect(wrapDynamoDbError('certbus', error)).toMatchObject({
    code: 'CERTBUS_STORE_ACCESS_DENIED',
    message:
      'The DynamoDB table "certbus" cannot be used with these credentials: look at the policy. AWS says: KMS key access denied error.',
  });
});

test('what is not known and comes from the service itself is not an outage', () => {
  const error = Object.assign(new Error('Subscribe first'), {
    name: 'NewException',
    $metadata: { httpStatusCode: 400 },
  });
  const { code, message } = wrapDynamoDbError('certbus', error);
  expect([code, message]).toEqual([
    'CERTBUS_STORE_UNREACHABLE',
    'The DynamoDB table "certbus" refuses the request: Subscribe first.',
  ]);
});

test('what is not known is said once', () => {
  const error = Object.assign(new Error('The KMS key is away'), { name: 'NewException' });
  expect(wrapDynamoDbError('certbus', error)).toMatchObject({
    code: 'CERTBUS_STORE_UNREACHABLE',
    message: 'The DynamoDB table "certbus" could not be reached: The KMS key is away.',
  });
});
