/** The parameters of the template, and the conditions that depend on them. */
import type { Value } from './intrinsics.ts';

const text = (Description: string, more: Readonly<Record<string, Value>> = {}) => ({
  Type: 'String',
  Description,
  ...more,
});
const optional = (Description: string, AllowedPattern: string, more: Readonly<Record<string, Value>> = {}) =>
  text(Description, { Default: '', AllowedPattern, ...more });
/** Of which each member has to fit, or nothing is given. */
const list = (Description: string, member: string, ConstraintDescription: string) => ({
  Type: 'CommaDelimitedList',
  Default: '',
  Description,
  AllowedPattern: `^ *(${member})? *$`,
  ConstraintDescription,
});

const PARAMETER = '^(/[a-zA-Z0-9_.-]+)+$';

export const PARAMETERS: Readonly<Record<string, Value>> = {
  Trust: text('The lines of bus.pub, with \\n between them', { AllowedPattern: '^certbus1 .+$' }),
  CodeBucket: text('Bucket with the code, which "certbus aws bundle" writes'),
  CodeKey: text('Key of the code in that bucket', { Default: 'lambda.zip' }),
  Stream: text('Name of the bus in its table', {
    Default: 'prod',
    // Not one of dots alone: it is a part of the path in the archive as well.
    AllowedPattern: '^[.]*[a-zA-Z0-9_-][a-zA-Z0-9_.-]*$',
    MaxLength: 128,
  }),
  ManagerKeyParameter: text('SSM parameter that has the manager key', {
    Default: '/certbus/prod/manager-key',
    AllowedPattern: PARAMETER,
  }),
  CheckpointParameter: text('SSM parameter in which the manager keeps its checkpoint', {
    Default: '/certbus/prod/checkpoint',
    AllowedPattern: PARAMETER,
  }),
  // The flags of "certbus bus bootstrap" take the same: what fits a policy in part allows nothing, or too much.
  HostedZones: list(
    'Ids of the hosted zones that challenges are answered in; empty for another DNS host',
    '[A-Z0-9]{1,32}',
    'must be ids of hosted zones such as Z0123456789ABC, without /hostedzone/',
  ),
  DelegatedNames: list(
    'Patterns of names in those zones that challenges are delegated to, such as *.acme.example.net',
    '[a-z0-9_*?-]+([.][a-z0-9_*?-]+)+',
    'must be patterns of names, in small letters, such as *.acme.example.net',
  ),
  Rate: text('How often the manager runs', { Default: 'rate(1 hour)', AllowedPattern: '^(rate|cron)\\(.+\\)$' }),
  Runtime: text('Node of AWS Lambda: nodejs22.x or later', {
    Default: 'nodejs24.x',
    // No list: what Lambda offers next year can be chosen without another template.
    AllowedPattern: '^nodejs(2[2-9]|[3-9][0-9])\\.x$',
  }),
  Memory: { Type: 'Number', Default: 512, MinValue: 256, MaxValue: 10_240, Description: 'Memory of the function, MB' },
  ReservedConcurrency: {
    Type: 'Number',
    Default: 0,
    MinValue: 0,
    Description:
      'Concurrent runs of the manager at most, and one of the function for ACM; 0 reserves nothing, since new accounts cannot, and claims make that safe',
  },
  LogRetention: {
    Type: 'Number',
    Default: 90,
    AllowedValues: [
      1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
    ],
    Description: 'How long the log is kept, days',
  },
  AcmCertificates: text(
    'What is imported into ACM: ids, names and *.PARENT with commas between them, or *; empty for nothing, and no function for it',
    { Default: '' },
  ),
  AcmRegions: text(
    'Regions that it is imported into, with commas between them; empty for this one. CloudFront: us-east-1',
    {
      Default: '',
      AllowedPattern: '^([a-z0-9-]+(,[a-z0-9-]+)*)?$',
    },
  ),
  AcmIdentityParameter: text('SSM parameter that has the identity of that function', {
    Default: '/certbus/prod/acm-identity',
    AllowedPattern: PARAMETER,
  }),
  AlarmTopic: optional('ARN of the SNS topic that alarms go to', '^(arn:.+)?$'),
  KmsKey: optional(
    'ARN of a KMS key of your own for table, archive and parameters',
    '^(arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[a-zA-Z0-9-]+)?$',
    { ConstraintDescription: 'must be the ARN of a key, not of an alias: a policy that names an alias allows nothing' },
  ),
  PermissionsBoundary: optional('ARN of the permissions boundary of the role', '^(arn:.+)?$'),
  ReaderAccounts: list(
    'Ids of other accounts whose load balancers read the bus',
    '[0-9]{12}',
    'must be ids of accounts, 12 digits each',
  ),
};

const given = (name: string): Value => ({ 'Fn::Not': [{ 'Fn::Equals': [{ Ref: name }, ''] }] });
const anyOf = (name: string): Value => ({
  'Fn::Not': [{ 'Fn::Equals': [{ 'Fn::Join': ['', { Ref: name }] }, ''] }],
});

export const CONDITIONS: Readonly<Record<string, Value>> = {
  HasZones: anyOf('HostedZones'),
  HasReaders: anyOf('ReaderAccounts'),
  HasAcm: given('AcmCertificates'),
  HasAlarmTopic: given('AlarmTopic'),
  HasKmsKey: given('KmsKey'),
  HasBoundary: given('PermissionsBoundary'),
  HasConcurrency: { 'Fn::Not': [{ 'Fn::Equals': [{ Ref: 'ReservedConcurrency' }, 0] }] },
};
