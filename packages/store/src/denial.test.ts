/** Tests of what is read out of AWS's words for a denied request. */
import { expect, test } from 'vitest';
import { describeDenial } from './denial.ts';

test.each([
  [
    'User: arn:aws:sts::123456789012:assumed-role/manager/certbus is not authorized to perform: dynamodb:PutItem on resource: arn:aws:dynamodb:eu-central-1:123456789012:table/certbus because no identity-based policy allows the dynamodb:PutItem action',
    'arn:aws:sts::123456789012:assumed-role/manager/certbus lacks dynamodb:PutItem on arn:aws:dynamodb:eu-central-1:123456789012:table/certbus',
  ],
  ['User: me is not authorized to perform: route53:ListHostedZones', 'me lacks route53:ListHostedZones'],
  [
    'User: me is not authorized to perform: dynamodb:PutItem on resource: arn:aws:dynamodb:eu-central-1:1:table/t with an explicit deny in a service control policy',
    'me lacks dynamodb:PutItem on arn:aws:dynamodb:eu-central-1:1:table/t, which is denied by a service control policy',
  ],
  [
    'User: me is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::b/k" with an explicit deny in an identity-based policy: arn:aws:iam::1:policy/p',
    'me lacks s3:GetObject on "arn:aws:s3:::b/k", which is denied by its own policy',
  ],
  [
    'User: me is not authorized to perform: ssm:GetParameter on resource: arn:p because no permissions boundary allows the ssm:GetParameter action',
    'me lacks ssm:GetParameter on arn:p, which no permissions boundary allows',
  ],
  [
    'User: me is not authorized to perform: kms:Decrypt on resource: arn:k because no resource-based policy allows the kms:Decrypt action',
    'me lacks kms:Decrypt on arn:k, which no resource-based policy allows',
  ],
  [
    'User: me is not authorized to perform: dynamodb:Query because no VPC endpoint policy allows the dynamodb:Query action',
    'me lacks dynamodb:Query, which no VPC endpoint policy allows',
  ],
  ['KMS key access denied error.', 'AWS says: KMS key access denied error'],
  ['Access Denied', undefined],
])('%s', (message, denial) => {
  expect(describeDenial(new Error(message))).toBe(denial);
});

test('what is not an error says nothing', () => {
  expect(describeDenial(undefined)).toBeUndefined();
});
