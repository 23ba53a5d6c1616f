/** The statements that policies are made of: each allows one thing, in one place. */
import { BUS_TAG } from '../acm/tag.ts';
import { both, onlyValues, type Statement } from './document.ts';
import { type PolicyPlace, partitionOf } from './place.ts';

/** One stream of the table: two buses in one table stay strangers. */
export function table({ tableArn, stream }: PolicyPlace, Sid: string, actions: readonly string[]): Statement {
  return {
    Sid,
    Effect: 'Allow',
    Action: actions.map((action) => `dynamodb:${action}`),
    Resource: tableArn,
    Condition: onlyValues('StringEquals', { 'dynamodb:LeadingKeys': [stream] }),
  };
}

/** Where an archive is: all that is in it lies below these. */
const prefixesOf = (prefix: string | undefined): readonly string[] =>
  prefix === undefined ? ['archives/', 'snapshots/'] : [`${prefix}/`];

/** The archive's part of its bucket. */
export function archive({ archive: place }: PolicyPlace, actions: readonly string[]): readonly Statement[] {
  if (!place) return [];
  const { bucketArn, prefix } = place;
  const prefixes = prefixesOf(prefix);
  return [
    {
      Sid: 'CertBusArchive',
      Effect: 'Allow',
      Action: actions.map((action) => `s3:${action}`),
      Resource: prefixes.map((each) => `${bucketArn}/${each}*`),
    },
    // Without it S3 answers "denied" where it should say "not there".
    {
      Sid: 'CertBusArchiveMissing',
      Effect: 'Allow',
      Action: ['s3:ListBucket'],
      Resource: bucketArn,
      // What else is in the bucket stays unknown.
      Condition: { StringLike: { 's3:prefix': prefixes.map((each) => `${each}*`) } },
    },
  ];
}

/** TXT records that answer challenges, in the named zones. */
export function zones({ tableArn, zoneArns = [], delegated = [] }: PolicyPlace): readonly Statement[] {
  if (zoneArns.length === 0) return [];
  const change = 'route53:ChangeResourceRecordSets';
  return [
    {
      Sid: 'CertBusChallenges',
      Effect: 'Allow',
      Action: [change],
      Resource: zoneArns,
      Condition: both(
        onlyValues('StringEquals', { [`${change}RecordTypes`]: ['TXT'] }),
        onlyValues('StringLike', { [`${change}NormalizedRecordNames`]: ['_acme-challenge.*', ...delegated] }),
      ),
    },
    { Sid: 'CertBusRecords', Effect: 'Allow', Action: ['route53:ListResourceRecordSets'], Resource: zoneArns },
    {
      Sid: 'CertBusChanges',
      Effect: 'Allow',
      Action: ['route53:GetChange'],
      Resource: `arn:${partitionOf(tableArn)}:route53:::change/*`,
    },
    // It has no resource. Not needed where the configuration names each "zoneId".
    { Sid: 'CertBusZones', Effect: 'Allow', Action: ['route53:ListHostedZones'], Resource: '*' },
  ];
}

/** The manager's key, the secrets of the configuration, and the checkpoint. */
export function secrets({ parameterArns = [], secretArns = [], checkpointArn }: PolicyPlace): readonly Statement[] {
  const statements: Statement[] = [];
  if (parameterArns.length > 0)
    statements.push({
      Sid: 'CertBusParameters',
      Effect: 'Allow',
      Action: ['ssm:GetParameter'],
      Resource: parameterArns,
    });
  if (secretArns.length > 0)
    statements.push({
      Sid: 'CertBusSecrets',
      Effect: 'Allow',
      Action: ['secretsmanager:GetSecretValue'],
      Resource: secretArns,
    });
  if (checkpointArn !== undefined)
    statements.push({
      Sid: 'CertBusCheckpoint',
      Effect: 'Allow',
      Action: ['ssm:GetParameter', 'ssm:PutParameter'],
      Resource: checkpointArn,
    });
  return statements;
}

/** The bus as the tag names it: `TABLE/STREAM`. */
const taggedBus = ({ tableArn, stream }: PolicyPlace): string => `${tableArn.replace(/^.*:table\//, '')}/${stream}`;

/** Certificates of ACM that carry the tag of the bus, in every region: CloudFront takes those of one region alone. */
export function acm(place: PolicyPlace, identityArn: string): readonly Statement[] {
  const [, account = ''] = /(\d+|\$\{AWS::AccountId\}):table\//.exec(place.tableArn) ?? [];
  const Resource = `arn:${partitionOf(place.tableArn)}:acm:*:${account}:certificate/*`;
  const tagged = (operator: 'aws:RequestTag' | 'aws:ResourceTag') => ({
    StringEquals: { [`${operator}/${BUS_TAG}`]: taggedBus(place) },
  });
  return [
    { Sid: 'CertBusIdentity', Effect: 'Allow', Action: ['ssm:GetParameter'], Resource: identityArn },
    {
      Sid: 'CertBusImport',
      Effect: 'Allow',
      Action: ['acm:ImportCertificate', 'acm:AddTagsToCertificate'],
      Resource,
      Condition: tagged('aws:RequestTag'),
    },
    // What is imported again has its tags, and the request has none.
    {
      Sid: 'CertBusImportAgain',
      Effect: 'Allow',
      Action: ['acm:ImportCertificate'],
      Resource,
      Condition: tagged('aws:ResourceTag'),
    },
    {
      Sid: 'CertBusImported',
      Effect: 'Allow',
      Action: ['acm:GetCertificate', 'acm:ListTagsForCertificate'],
      Resource,
    },
    // It has no resource.
    { Sid: 'CertBusImportedList', Effect: 'Allow', Action: ['acm:ListCertificates'], Resource: '*' },
  ];
}

/** A KMS key of one's own. */
export function key({ keyArn }: PolicyPlace, actions: readonly string[]): readonly Statement[] {
  if (keyArn === undefined) return [];
  return [{ Sid: 'CertBusKey', Effect: 'Allow', Action: actions.map((action) => `kms:${action}`), Resource: keyArn }];
}
