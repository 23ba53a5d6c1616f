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

const role = resource('AWS::IAM::Role', {
  AssumeRolePolicyDocument: {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }],
  },
  PermissionsBoundary: when('HasBoundary', '${PermissionsBoundary}'),
  Policies: [
    { PolicyName: 'certbus', PolicyDocument: POLICIES.manager },
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
});

const challengesPolicy = resource(
  'AWS::IAM::Policy',
  { PolicyName: 'challenges', PolicyDocument: POLICIES.challenges, Roles: ['${ManagerRole}'] },
  { Condition: 'HasZones' },
);

const manager = resource('AWS::Lambda::Function', {
  Description: 'Renews the certificates of a CertBus bus',
  Runtime: '${Runtime}',
  Architectures: ['arm64'],
  Handler: 'index.handler',
  Code: { S3Bucket: '${CodeBucket}', S3Key: '${CodeKey}' },
  Role: '${ManagerRole.Arn}',
  Timeout: 900,
  MemorySize: '${Memory}',
  EphemeralStorage: { Size: 2048 },
  ReservedConcurrentExecutions: when('HasConcurrency', '${ReservedConcurrency}'),
  LoggingConfig: { LogGroup: '${Log}', LogFormat: 'JSON' },
  Environment: {
    Variables: {
      CERTBUS_BUS: 'dynamodb://${Bus}/${Stream}?region=${AWS::Region}',
      CERTBUS_TRUST: '${Trust}',
      CERTBUS_ARCHIVE: 's3://${Archive}/certbus/${Stream}?region=${AWS::Region}',
      CERTBUS_MANAGER_KEY: 'ssm:${ManagerKeyParameter}',
      CERTBUS_CHECKPOINT: 'ssm:${CheckpointParameter}',
    },
  },
});

/** An asynchronous invocation that failed is not repeated: the next one of the schedule goes on. */
const noRetries = resource('AWS::Lambda::EventInvokeConfig', {
  FunctionName: '${Manager}',
  Qualifier: '$LATEST',
  MaximumRetryAttempts: 0,
  MaximumEventAgeInSeconds: 300,
});

const schedule = resource('AWS::Events::Rule', {
  Description: 'Runs the manager of a CertBus bus',
  ScheduleExpression: '${Rate}',
  State: 'ENABLED',
  Targets: [{ Id: 'manager', Arn: '${Manager.Arn}' }],
});

const permission = resource('AWS::Lambda::Permission', {
  Action: 'lambda:InvokeFunction',
  FunctionName: '${Manager}',
  Principal: 'events.amazonaws.com',
  SourceArn: '${Schedule.Arn}',
});

const loadBalancerPolicy = resource('AWS::IAM::ManagedPolicy', {
  Description: 'Reads a CertBus bus, for load balancers',
  PolicyDocument: POLICIES.loadBalancer,
});

function alarm(AlarmDescription: string, metric: Properties): Value {
  return resource('AWS::CloudWatch::Alarm', {
    AlarmDescription,
    Namespace: 'AWS/Lambda',
    Dimensions: [{ Name: 'FunctionName', Value: '${Manager}' }],
    Statistic: 'Sum',
    EvaluationPeriods: 1,
    Threshold: 1,
    AlarmActions: when('HasAlarmTopic', ['${AlarmTopic}']),
    OKActions: when('HasAlarmTopic', ['${AlarmTopic}']),
    ...metric,
  });
}

/** The resources by their names in the template. */
export const RESOURCES: Properties = {
  Bus: bus,
  Archive: archive,
  ArchivePolicy: archivePolicy,
  Log: log,
  ManagerRole: role,
  ChallengesPolicy: challengesPolicy,
  Manager: manager,
  NoRetries: noRetries,
  Schedule: schedule,
  SchedulePermission: permission,
  LoadBalancerPolicy: loadBalancerPolicy,
  ErrorsAlarm: alarm('A certificate that was due was not renewed, or the manager could not run: look at its log', {
    MetricName: 'Errors',
    Period: 300,
    ComparisonOperator: 'GreaterThanOrEqualToThreshold',
    TreatMissingData: 'notBreaching',
  }),
  SilenceAlarm: alarm('No manager ran for a day', {
    MetricName: 'Invocations',
    Period: 86_400,
    ComparisonOperator: 'LessThanThreshold',
    TreatMissingData: 'breaching',
  }),
};
