/** The resources of the template. */
import { intrinsic, type Value, when } from './intrinsics.ts';
import { POLICIES } from './policies.ts';

type Properties = Readonly<Record<string, Value>>;

const resource = (Type: string, properties: Properties, more: Properties = {}): Value => ({
  Type,
  ...more,
  Properties: intrinsic(properties),
});

/** A stack that is removed leaves what cannot be made again. */
const KEPT = { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' };

const bus = resource(
  'AWS::DynamoDB::Table',
  {
    TableName: '${AWS::StackName}',
    BillingMode: 'PAY_PER_REQUEST',
    DeletionProtectionEnabled: true,
    PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
    AttributeDefinitions: [
      { AttributeName: 's', AttributeType: 'S' },
      { AttributeName: 'v', AttributeType: 'N' },
    ],
    KeySchema: [
      { AttributeName: 's', KeyType: 'HASH' },
      { AttributeName: 'v', KeyType: 'RANGE' },
    ],
    // Without a key of one's own, that of DynamoDB: the one that AWS manages in this account is of no use to another account.
    SSESpecification: when('HasKmsKey', { SSEEnabled: true, SSEType: 'KMS', KMSMasterKeyId: '${KmsKey}' }),
    ResourcePolicy: when('HasReaders', { PolicyDocument: POLICIES.table }),
  },
  KEPT,
);

const archive = resource(
  'AWS::S3::Bucket',
  {
    VersioningConfiguration: { Status: 'Enabled' },
    OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
    PublicAccessBlockConfiguration: {
      BlockPublicAcls: true,
      BlockPublicPolicy: true,
      IgnorePublicAcls: true,
      RestrictPublicBuckets: true,
    },
    BucketEncryption: {
      ServerSideEncryptionConfiguration: [
        {
          ServerSideEncryptionByDefault: when(
            'HasKmsKey',
            { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: '${KmsKey}' },
            { SSEAlgorithm: 'AES256' },
          ),
        },
      ],
    },
    LifecycleConfiguration: {
      Rules: [
        {
          Id: 'replaced',
          Status: 'Enabled',
          NoncurrentVersionExpiration: { NoncurrentDays: 90 },
          AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
        },
      ],
    },
  },
  KEPT,
);

const archivePolicy = resource(
  'AWS::S3::BucketPolicy',
  { Bucket: '${Archive}', PolicyDocument: POLICIES.bucket },
  { Condition: 'HasReaders' },
);

const log = resource('AWS::Logs::LogGroup', { RetentionInDays: '${LogRetention}' }, KEPT);

/** A role of a function: its policy, and that of the log. */
const roleOf = (policy: Value, more: Properties = {}): Value =>
  resource(
    'AWS::IAM::Role',
    {
      AssumeRolePolicyDocument: {
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }],
      },
      PermissionsBoundary: when('HasBoundary', '${PermissionsBoundary}'),
      Policies: [
        { PolicyName: 'certbus', PolicyDocument: policy },
        {
          PolicyName: 'log',
          PolicyDocument: {
            Version: '2012-10-17',
            Statement: [
              {
                Sid: 'CertBusLog',
                Effect: 'Allow',
                Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
                Resource: '${Log.Arn}',
              },
            ],
          },
        },
      ],
    },
    more,
  );

const challengesPolicy = resource(
  'AWS::IAM::Policy',
  { PolicyName: 'challenges', PolicyDocument: POLICIES.challenges, Roles: ['${ManagerRole}'] },
  { Condition: 'HasZones' },
);

/** Where the bus is, for every function. */
const BUS_VARIABLES: Properties = {
  CERTBUS_BUS: 'dynamodb://${Bus}/${Stream}?region=${AWS::Region}',
  CERTBUS_TRUST: '${Trust}',
  CERTBUS_ARCHIVE: 's3://${Archive}/certbus/${Stream}?region=${AWS::Region}',
};

/** What every function has. */
const FUNCTION: Properties = {
  Runtime: '${Runtime}',
  Architectures: ['arm64'],
  Code: { S3Bucket: '${CodeBucket}', S3Key: '${CodeKey}' },
  Timeout: 900,
  MemorySize: '${Memory}',
  EphemeralStorage: { Size: 2048 },
  LoggingConfig: { LogGroup: '${Log}', LogFormat: 'JSON' },
};

const manager = resource('AWS::Lambda::Function', {
  ...FUNCTION,
  Description: 'Renews the certificates of a CertBus bus',
  Handler: 'index.handler',
  Role: '${ManagerRole.Arn}',
  ReservedConcurrentExecutions: when('HasConcurrency', '${ReservedConcurrency}'),
  Environment: {
    Variables: {
      ...BUS_VARIABLES,
      CERTBUS_MANAGER_KEY: 'ssm:${ManagerKeyParameter}',
      CERTBUS_CHECKPOINT: 'ssm:${CheckpointParameter}',
    },
  },
});

const HAS_ACM: Properties = { Condition: 'HasAcm' };

const acm = resource(
  'AWS::Lambda::Function',
  {
    ...FUNCTION,
    Description: 'Imports certificates of a CertBus bus into ACM',
    Handler: 'acm.handler',
    Role: '${AcmRole.Arn}',
    // Two at a time would import a new certificate twice.
    ReservedConcurrentExecutions: when('HasConcurrency', 1),
    Environment: {
      Variables: {
        ...BUS_VARIABLES,
        CERTBUS_IDENTITY: 'ssm:${AcmIdentityParameter}',
        CERTBUS_ACM_CERTIFICATES: '${AcmCertificates}',
        CERTBUS_ACM_REGIONS: '${AcmRegions}',
      },
    },
  },
  HAS_ACM,
);

/** An asynchronous invocation that failed is not repeated: the next one of the schedule goes on. */
const noRetriesOf = (name: string, more: Properties = {}): Value =>
  resource(
    'AWS::Lambda::EventInvokeConfig',
    {
      FunctionName: `\${${name}}`,
      Qualifier: '$LATEST',
      MaximumRetryAttempts: 0,
      MaximumEventAgeInSeconds: 300,
    },
    more,
  );

const scheduleOf = (name: string, Description: string, more: Properties = {}): Value =>
  resource(
    'AWS::Events::Rule',
    {
      Description,
      ScheduleExpression: '${Rate}',
      State: 'ENABLED',
      Targets: [{ Id: name.toLowerCase(), Arn: `\${${name}.Arn}` }],
    },
    more,
  );

const permissionOf = (name: string, rule: string, more: Properties = {}): Value =>
  resource(
    'AWS::Lambda::Permission',
    {
      Action: 'lambda:InvokeFunction',
      FunctionName: `\${${name}}`,
      Principal: 'events.amazonaws.com',
      SourceArn: `\${${rule}.Arn}`,
    },
    more,
  );

const loadBalancerPolicy = resource('AWS::IAM::ManagedPolicy', {
  Description: 'Reads a CertBus bus, for load balancers',
  PolicyDocument: POLICIES.loadBalancer,
});

function alarm(name: string, AlarmDescription: string, metric: Properties, more: Properties = {}): Value {
  return resource(
    'AWS::CloudWatch::Alarm',
    {
      AlarmDescription,
      Namespace: 'AWS/Lambda',
      Dimensions: [{ Name: 'FunctionName', Value: `\${${name}}` }],
      Statistic: 'Sum',
      EvaluationPeriods: 1,
      Threshold: 1,
      AlarmActions: when('HasAlarmTopic', ['${AlarmTopic}']),
      OKActions: when('HasAlarmTopic', ['${AlarmTopic}']),
      ...metric,
    },
    more,
  );
}

const ERRORS: Properties = {
  MetricName: 'Errors',
  // An error counts at the beginning of its invocation, a quarter of an hour before it is known: in five minutes it would be too late for its own period.
  Period: 3_600,
  ComparisonOperator: 'GreaterThanOrEqualToThreshold',
  TreatMissingData: 'notBreaching',
};
const SILENCE: Properties = {
  MetricName: 'Invocations',
  Period: 86_400,
  ComparisonOperator: 'LessThanThreshold',
  TreatMissingData: 'breaching',
};

/** The resources by their names in the template. */
export const RESOURCES: Properties = {
  Bus: bus,
  Archive: archive,
  ArchivePolicy: archivePolicy,
  Log: log,
  ManagerRole: roleOf(POLICIES.manager),
  ChallengesPolicy: challengesPolicy,
  Manager: manager,
  NoRetries: noRetriesOf('Manager'),
  Schedule: scheduleOf('Manager', 'Runs the manager of a CertBus bus'),
  SchedulePermission: permissionOf('Manager', 'Schedule'),
  LoadBalancerPolicy: loadBalancerPolicy,
  ErrorsAlarm: alarm(
    'Manager',
    'A certificate that was due was not renewed, or the manager could not run: look at its log',
    ERRORS,
  ),
  SilenceAlarm: alarm('Manager', 'No manager ran for a day', SILENCE),
  AcmRole: roleOf(POLICIES.acm, HAS_ACM),
  Acm: acm,
  AcmNoRetries: noRetriesOf('Acm', HAS_ACM),
  AcmSchedule: scheduleOf('Acm', 'Imports certificates of a CertBus bus into ACM', HAS_ACM),
  AcmSchedulePermission: permissionOf('Acm', 'AcmSchedule', HAS_ACM),
  AcmErrorsAlarm: alarm('Acm', 'A certificate was not imported into ACM: look at the log', ERRORS, HAS_ACM),
  AcmSilenceAlarm: alarm('Acm', 'Nothing was imported into ACM for a day', SILENCE, HAS_ACM),
};
