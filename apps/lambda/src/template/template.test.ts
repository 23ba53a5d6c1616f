/** Tests that the template's policies are those that `certbus bus bootstrap` prints. */
import { parseAddress, parseArchiveAddress } from '@certbus/store';
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
  Acm: 'acm function',
  Log: 'log',
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
    // No object of somebody else's account, which the owner of the bucket could not read.
    OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
    PublicAccessBlockConfiguration: {
      BlockPublicAcls: true,
      BlockPublicPolicy: true,
      IgnorePublicAcls: true,
      RestrictPublicBuckets: true,
    },
    LifecycleConfiguration: {
      Rules: [
        {
          Status: 'Enabled',
          NoncurrentVersionExpiration: { NoncurrentDays: 90 },
          AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
        },
      ],
    },
  });
  expect(JSON.stringify(propertiesOf('Archive', all))).toContain('"SSEAlgorithm":"aws:kms"');
});

test.each([
  ['the manager', '', 'function'],
  ['the function for ACM', 'Acm', 'acm function'],
])(
  'a failed invocation of %s is not repeated, and alarms are raised by its errors and its silence',
  (_, prefix, name) => {
    expect(propertiesOf(`${prefix}NoRetries`, none)).toMatchObject({
      FunctionName: name,
      Qualifier: '$LATEST',
      MaximumRetryAttempts: 0,
    });
    const common = {
      Namespace: 'AWS/Lambda',
      Dimensions: [{ Name: 'FunctionName', Value: name }],
      Statistic: 'Sum',
      EvaluationPeriods: 1,
      Threshold: 1,
      AlarmActions: ['topic'],
      OKActions: ['topic'],
    };
    const alarm = (what: string) => propertiesOf(`${prefix}${what}Alarm`, { HasAlarmTopic: true });
    expect(alarm('Errors')).toMatchObject({
      ...common,
      MetricName: 'Errors',
      // Longer than an invocation takes, at whose beginning its error counts, and no more often over than the manager runs.
      Period: 3_600,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      TreatMissingData: 'notBreaching',
    });
    expect(alarm('Silence')).toMatchObject({
      ...common,
      MetricName: 'Invocations',
      Period: 86_400,
      ComparisonOperator: 'LessThanThreshold',
      TreatMissingData: 'breaching',
    });
    const unheard = propertiesOf(`${prefix}ErrorsAlarm`, { HasAlarmTopic: false });
    expect(unheard).not.toHaveProperty('AlarmActions');
    expect(unheard).not.toHaveProperty('OKActions');
  },
);

test('a table can be put back to each second of its last weeks, and is not deleted by a slip', () => {
  expect(propertiesOf('Bus', none)).toMatchObject({
    BillingMode: 'PAY_PER_REQUEST',
    DeletionProtectionEnabled: true,
    PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
  });
});

test.each(['Manager', 'Acm'])('the log of the function %s is that of the stack, and its lines stay JSON', (name) => {
  const { Properties } = TEMPLATE.Resources[name] as { readonly Properties: { readonly LoggingConfig: Value } };
  const given = { values, attributes, conditions: none };
  expect(evaluate(Properties.LoggingConfig, given)).toEqual({ LogGroup: 'log', LogFormat: 'JSON' });
});

test('nothing of the part for ACM is made where no certificate is chosen', () => {
  const parts = Object.entries({ ...TEMPLATE.Resources, ...TEMPLATE.Outputs });
  const ofAcm = parts.filter(([name]) => name.startsWith('Acm'));
  expect(ofAcm).toHaveLength(8);
  for (const [, part] of ofAcm) expect(part).toMatchObject({ Condition: 'HasAcm' });
});

test.each([
  ['nodejs20.x', false],
  ['nodejs22.x', true],
  ['nodejs24.x', true],
  ['nodejs26.x', true],
  ['nodejs30.x', true],
  ['nodejs22', false],
  ['python3.14', false],
])('the runtime %s can be chosen: %s', (runtime, isAllowed) => {
  const { AllowedPattern } = TEMPLATE.Parameters['Runtime'] as { readonly AllowedPattern: string };
  expect(new RegExp(AllowedPattern).test(runtime)).toBe(isAllowed);
});

test.each([
  ['HostedZones', '', true],
  ['HostedZones', 'Z0123456789ABC', true],
  ['HostedZones', ' Z0123456789ABC', true],
  // As "aws route53 list-hosted-zones" prints it: the policy would name a zone that does not exist.
  ['HostedZones', '/hostedzone/Z0123456789ABC', false],
  ['HostedZones', '*', false],
  ['HostedZones', 'example.com', false],
  ['DelegatedNames', '*.acme.example.net', true],
  ['DelegatedNames', '', true],
  // Of every name.
  ['DelegatedNames', '*', false],
  ['DelegatedNames', '*.acme.example.net.', false],
  // Route 53 compares in small letters: it would allow nothing.
  ['DelegatedNames', '*.ACME.example.net', false],
  ['ReaderAccounts', '123456789012', true],
  ['ReaderAccounts', '', true],
  ['ReaderAccounts', '1234-5678-9012', false],
  ['ReaderAccounts', '*', false],
  ['KmsKey', '', true],
  ['KmsKey', 'arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab', true],
  ['KmsKey', 'arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab', true],
  ['KmsKey', 'arn:aws:kms:eu-central-1:123456789012:alias/certbus', false],
  ['KmsKey', '1234abcd-12ab-34cd-56ef-1234567890ab', false],
])('of the parameter %s a member "%s" can be given: %s', (name, member, isAllowed) => {
  const { AllowedPattern, Default } = TEMPLATE.Parameters[name] as {
    readonly AllowedPattern: string;
    readonly Default: string;
  };
  expect(new RegExp(AllowedPattern).test(member)).toBe(isAllowed);
  expect(new RegExp(AllowedPattern).test(Default)).toBe(true);
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

test.each([
  ['prod', true],
  ['a.b-c_9', true],
  ['-x', true],
  ['..x', true],
  ['.', false],
  ['..', false],
  ['a/b', false],
  ['a b', false],
  ['*', false],
  ['x'.repeat(128), true],
  ['x'.repeat(129), false],
  ['', false],
])('the stream "%s" can be given: %s, as the addresses of the bus and its archive take it', (stream, isAllowed) => {
  const { AllowedPattern, MaxLength } = TEMPLATE.Parameters['Stream'] as {
    readonly AllowedPattern: string;
    readonly MaxLength: number;
  };
  expect(new RegExp(AllowedPattern).test(stream) && stream.length <= MaxLength).toBe(isAllowed);
  const isTaken = (parse: () => unknown): boolean => {
    try {
      return parse() !== undefined;
    } catch {
      return false;
    }
  };
  // An address of a bus without one has the stream "certbus".
  const bus = () => parseAddress(`dynamodb://certbus/${stream}?region=eu-central-1`);
  const archive = () => parseArchiveAddress(`s3://bucket/certbus/${stream}?region=eu-central-1`);
  expect(isTaken(bus) && stream !== '' && isTaken(archive)).toBe(isAllowed);
});
