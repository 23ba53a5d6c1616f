/** Tests of the form of the policies. */
import { expect, test } from 'vitest';
import type { PolicyDocument } from './document.ts';
import { type PolicyPlace, secretArn } from './place.ts';
import { createPolicies } from './policies.ts';

const tableArn = 'arn:aws:dynamodb:eu-central-1:123456789012:table/certbus';
const place: PolicyPlace = {
  tableArn,
  stream: 'prod',
  archive: { bucketArn: 'arn:aws:s3:::shared', prefix: 'certbus/prod' },
  zoneArns: ['arn:aws:route53:::hostedzone/Z1'],
  delegated: ['*.acme.test'],
  parameterArns: ['arn:aws:ssm:eu-central-1:123456789012:parameter/certbus/prod/manager-key'],
  secretArns: ['arn:aws:secretsmanager:eu-central-1:123456789012:secret:dns-??????'],
  checkpointArn: 'arn:aws:ssm:eu-central-1:123456789012:parameter/certbus/prod/checkpoint',
  keyArn: 'arn:aws:kms:eu-central-1:123456789012:key/1',
  identityArn: 'arn:aws:ssm:eu-central-1:123456789012:parameter/certbus/prod/acm-identity',
  accounts: ['210987654321'],
};

const all = (wanted: PolicyPlace): readonly PolicyDocument[] =>
  Object.values(createPolicies(wanted)).filter((policy) => policy !== undefined);

test('each ForAllValues has the Null condition of its keys next to it', () => {
  const conditions = all(place).flatMap(({ Statement }) => Statement.map(({ Condition = {} }) => Condition));
  const multivalued = conditions.flatMap((condition) =>
    Object.entries(condition)
      .filter(([operator]) => operator.startsWith('ForAllValues:'))
      .flatMap(([, keys]) => Object.keys(keys).map((key) => [condition['Null'] ?? {}, key] as const)),
  );
  // Five statements on the table, and two keys of Route 53.
  expect(multivalued).toHaveLength(7);
  for (const [nulls, key] of multivalued) expect(nulls).toHaveProperty([key], 'false');
});

test('no statement has a wildcard for an action, or for a resource but those of lists, which have none', () => {
  const statements = all(place).flatMap(({ Statement }) => Statement);
  expect(statements.flatMap(({ Action }) => Action).filter((action) => action.includes('*'))).toEqual([]);
  expect(statements.filter(({ Resource }) => Resource === '*').map(({ Action }) => Action)).toEqual([
    ['route53:ListHostedZones'],
    ['acm:ListCertificates'],
  ]);
});

test('a bus without more than its table has one statement for each role, and no policies of resources', () => {
  const { acm, table, bucket, ...roles } = createPolicies({ tableArn, stream: 'prod' });
  expect([acm, table, bucket]).toEqual([undefined, undefined, undefined]);
  for (const { Statement } of Object.values(roles)) expect(Statement).toHaveLength(1);
});

test('an archive without a prefix is the folders that CertBus makes', () => {
  const { loadBalancer } = createPolicies({ tableArn, stream: 'prod', archive: { bucketArn: 'b', prefix: undefined } });
  expect(loadBalancer.Statement.slice(1)).toMatchObject([
    { Action: ['s3:GetObject'], Resource: ['b/archives/*', 'b/snapshots/*'] },
    { Action: ['s3:ListBucket'], Condition: { StringLike: { 's3:prefix': ['archives/*', 'snapshots/*'] } } },
  ]);
});

test.each([
  ['ssm', '/certbus/key', undefined, 'arn:aws:ssm:eu-central-1:123456789012:parameter/certbus/key'],
  ['ssm', '/certbus/key:3', 'eu-west-1', 'arn:aws:ssm:eu-west-1:123456789012:parameter/certbus/key'],
  ['secretsmanager', 'dns', undefined, 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:dns-??????'],
  ['ssm', '/certbus/key:current', undefined, 'arn:aws:ssm:eu-central-1:123456789012:parameter/certbus/key'],
  ['ssm', 'arn:aws:ssm:x:1:parameter/y', undefined, 'arn:aws:ssm:x:1:parameter/y'],
  ['ssm', 'arn:aws:ssm:x:1:parameter/y/z:3', undefined, 'arn:aws:ssm:x:1:parameter/y/z'],
  [
    'secretsmanager',
    'dns-AbCdEf',
    undefined,
    'arn:aws:secretsmanager:eu-central-1:123456789012:secret:dns-AbCdEf-??????',
  ],
  [
    'secretsmanager',
    'arn:aws:secretsmanager:x:1:secret:a/b-AbCdE1',
    'y',
    'arn:aws:secretsmanager:x:1:secret:a/b-AbCdE1',
  ],
  [
    'secretsmanager',
    'arn:aws:secretsmanager:x:1:secret:a/b',
    undefined,
    'arn:aws:secretsmanager:x:1:secret:a/b-??????',
  ],
] as const)('%s:%s is a resource', (service, name, region, arn) => {
  expect(secretArn({ service, name, region }, tableArn)).toBe(arn);
});
