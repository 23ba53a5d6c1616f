/** Tests of what is read out of AWS's words for a denied request. */
import { expect, test } from 'vitest';
import { describeDenial } from './denial.ts';

test.each([
  [
    'User: arn:aws:sts::123456789012:assumed-role/manager/certbus is not authorized to perform: dynamodb:PutItem on resource: arn:aws:dynamodb:eu-central-1:123456789012:table/certbus because no identity-based policy allows the dynamodb:PutItem action',
    'arn:aws:sts::123456789012:assumed-role/manager/certbus lacks dynamodb:PutItem on arn:aws:dynamodb:eu-central-1:123456789012:table/certbus',
  ],
  ['User: me is not authorized to perform: route53:ListHostedZones', 'me lacks route53:ListHostedZones'],
  ['KMS key access denied error.', 'AWS says: KMS key access denied error'],
  ['Access Denied', undefined],
])('%s', (message, denial) => {
  expect(describeDenial(new Error(message))).toBe(denial);
});

test('what is not an error says nothing', () => {
  expect(describeDenial(undefined)).toBeUndefined();
});
