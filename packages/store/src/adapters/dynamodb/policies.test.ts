/** Tests of what the IAM policies allow in the bucket of an archive. */
import { expect, test } from 'vitest';
import { createPolicies } from './policies.ts';

const tableArn = 'arn:aws:dynamodb:eu-central-1:123456789012:table/certbus';

function listings(prefix: string | undefined) {
  const place = { tableArn, stream: 'prod', archive: { bucket: 'shared', prefix } };
  const { manager, loadBalancer, operator } = createPolicies(place);
  return [manager, loadBalancer, operator].map(({ Statement }) =>
    Statement.find(({ Action }) => Action.includes('s3:ListBucket')),
  );
}

test('each role can list the archive of this bus, and nothing else of the bucket', () => {
  for (const statement of listings('certbus/prod'))
    expect(statement).toMatchObject({
      Resource: 'arn:aws:s3:::shared',
      Condition: { StringLike: { 's3:prefix': ['certbus/prod/*'] } },
    });
});

test('an archive without a prefix is the whole bucket', () => {
  for (const statement of listings(undefined)) expect(statement).not.toHaveProperty('Condition');
});
