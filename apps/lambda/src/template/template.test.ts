/** Tests that the template's policies are those that `certbus bus bootstrap` prints. */
import { expect, test } from 'vitest';
import { createPolicies, type PolicyPlace, type Statement } from '../policies/index.ts';
import { evaluate } from './evaluate.builders.ts';
import type { Value } from './intrinsics.ts';
import { TEMPLATE } from './template.ts';

const values = {
  'AWS::Partition': 'aws',
  'AWS::Region': 'eu-central-1',
  'AWS::AccountId': '123456789012',
  'AWS::StackName': 'certbus',
  Stream: 'prod',
  ManagerKeyParameter: '/certbus/prod/manager-key',
  CheckpointParameter: '/certbus/prod/checkpoint',
  HostedZones: ['Z1', 'Z2'],
  DelegatedNames: ['*.acme.test', '*.acme.example'],
  ReaderAccounts: ['210987654321', '333333333333'],
  KmsKey: 'arn:aws:kms:eu-central-1:123456789012:key/1',
  PermissionsBoundary: 'arn:aws:iam::123456789012:policy/boundary',
  Archive: 'bucket',
  ManagerRole: 'role',
  Manager: 'function',
  AlarmTopic: 'topic',
  AcmIdentityParameter: '/certbus/prod/acm-identity',
};
const attributes = { 'Archive.Arn': 'arn:aws:s3:::bucket', 'Log.Arn': 'arn:aws:logs:eu-central-1:123456789012:log' };
const all = { HasZones: true, HasReaders: true, HasKmsKey: true, HasBoundary: true };
const none = { HasZones: false, HasReaders: false, HasKmsKey: false, HasBoundary: false };
const own = (service: string, resource: string) => `arn:aws:${service}:eu-central-1:123456789012:${resource}`;

/** What the template's parameters mean to the code that prints policies. */
const least: PolicyPlace = {
  tableArn: own('dynamodb', 'table/certbus'),
  stream: 'prod',
  archive: { bucketArn: 'arn:aws:s3:::bucket', prefix: 'certbus/prod' },
  parameterArns: [own('ssm', 'parameter/certbus/prod/manager-key')],
  checkpointArn: own('ssm', 'parameter/certbus/prod/checkpoint'),
  identityArn: own('ssm', 'parameter/certbus/prod/acm-identity'),
};
const most: PolicyPlace = {
  ...least,
  zoneArns: ['arn:aws:route53:::hostedzone/Z1', 'arn:aws:route53:::hostedzone/Z2'],
  delegated: values.DelegatedNames,
  keyArn: values.KmsKey,
  accounts: values.ReaderAccounts,
};

function propertiesOf(name: string, conditions: Readonly<Record<string, boolean>>): ReturnType<typeof JSON.parse> {
  const { Properties = {} } = TEMPLATE.Resources[name] as { readonly Properties?: Value };
  return evaluate(Properties, { values: { ...values, LogRetention: '90' }, attributes, conditions });
}

const bySid = (statements: readonly Pick<Statement, 'Sid'>[]) =>
  statements.toSorted((one, other) => one.Sid.localeCompare(other.Sid));

test.each([
  ['with every parameter', all, most],
  ['with what it needs alone', none, least],
])('%s its policies are those that are printed', (_, conditions, place) => {
  const { manager, loadBalancer, acm, table, bucket } = createPolicies(place);
  const role = propertiesOf('ManagerRole', conditions);
  const challenges = conditions.HasZones ? propertiesOf('ChallengesPolicy', conditions).PolicyDocument.Statement : [];
  expect(bySid([...role.Policies[0].PolicyDocument.Statement, ...challenges])).toEqual(bySid(manager.Statement));
  expect(propertiesOf('LoadBalancerPolicy', conditions).PolicyDocument).toEqual(loadBalancer);
  expect(propertiesOf('Bus', conditions).ResourcePolicy?.PolicyDocument).toEqual(table);
  if (bucket) expect(propertiesOf('ArchivePolicy', conditions).PolicyDocument).toEqual(bucket);
  const acmRole = propertiesOf('AcmRole', conditions);
  expect(acmRole.Policies[0].PolicyDocument).toEqual(acm);
  expect(acmRole.PermissionsBoundary).toBe(role.PermissionsBoundary);
  expect(role.PermissionsBoundary).toBe(conditions.HasBoundary ? values.PermissionsBoundary : undefined);
});

test('concurrency is reserved where the account can, and one run of the function for ACM then', () => {
  const reserved = (HasConcurrency: boolean) =>
    ['Manager', 'Acm'].map((name) => {
      const { Properties } = TEMPLATE.Resources[name] as {
        readonly Properties: { readonly ReservedConcurrentExecutions: Value };
      };
      const given = { values: { ReservedConcurrency: '5' }, attributes, conditions: { HasConcurrency } };
      return evaluate([Properties.ReservedConcurrentExecutions], given);
    });
  expect([reserved(true), reserved(false)]).toEqual([
    [['5'], [1]],
    [[], []],
  ]);
});

test('a table is encrypted with a key of its own, or with that of DynamoDB, never with the one that AWS manages', () => {
  expect(propertiesOf('Bus', none)).not.toHaveProperty('SSESpecification');
  expect(propertiesOf('Bus', all).SSESpecification).toMatchObject({ SSEType: 'KMS', KMSMasterKeyId: values.KmsKey });
});

test('the archive keeps what was replaced, is private, encrypted, and cleaned up', () => {
  expect(propertiesOf('Archive', none)).toMatchObject({
    VersioningConfiguration: { Status: 'Enabled' },
    PublicAccessBlockConfiguration: { BlockPublicAcls: true, BlockPublicPolicy: true, RestrictPublicBuckets: true },
    LifecycleConfiguration: { Rules: [{ Status: 'Enabled', NoncurrentVersionExpiration: { NoncurrentDays: 90 } }] },
  });
  expect(JSON.stringify(propertiesOf('Archive', all))).toContain('"SSEAlgorithm":"aws:kms"');
});

test('a failed invocation is not repeated, and alarms are raised by errors and by silence', () => {
  expect(propertiesOf('NoRetries', none)).toMatchObject({ MaximumRetryAttempts: 0 });
  const alarm = (name: string) => propertiesOf(name, { HasAlarmTopic: true });
  expect(alarm('ErrorsAlarm')).toMatchObject({ MetricName: 'Errors', Threshold: 1, AlarmActions: ['topic'] });
  expect(alarm('SilenceAlarm')).toMatchObject({
    MetricName: 'Invocations',
    Period: 86_400,
    ComparisonOperator: 'LessThanThreshold',
    TreatMissingData: 'breaching',
  });
  expect(propertiesOf('ErrorsAlarm', { HasAlarmTopic: false })).not.toHaveProperty('AlarmActions');
});

test('what cannot be made again is kept when the stack is removed', () => {
  for (const name of ['Bus', 'Archive', 'Log'])
    expect(TEMPLATE.Resources[name]).toMatchObject({ DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
});

test('every parameter is used, and no secret is one', () => {
  const text = JSON.stringify([TEMPLATE.Conditions, TEMPLATE.Resources, TEMPLATE.Outputs]);
  const isUsed = (name: string) => text.includes(`{"Ref":"${name}"}`) || text.includes(`\${${name}}`);
  expect(Object.keys(TEMPLATE.Parameters).filter((name) => !isUsed(name))).toEqual([]);
  expect(text).not.toContain('NoEcho');
});
