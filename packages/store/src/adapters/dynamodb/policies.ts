/** IAM policies: the least that each role needs. */

/** An IAM policy document, as IAM's console and CLI take it. */
export interface PolicyDocument {
  readonly Version: '2012-10-17';
  readonly Statement: readonly {
    readonly Sid: string;
    readonly Effect: 'Allow';
    readonly Action: readonly string[];
    readonly Resource: string | readonly string[];
    readonly Condition?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
  }[];
}

/** The least that each role needs. */
export interface Policies {
  /** Reads and appends. */
  readonly manager: PolicyDocument;
  /** Reads. */
  readonly loadBalancer: PolicyDocument;
  /** Repairs and trims; for a person's own credentials, not for a machine that runs all day. */
  readonly operator: PolicyDocument;
}

interface Place {
  readonly tableArn: string;
  readonly stream: string;
  readonly archive?: { readonly bucket: string; readonly prefix: string | undefined } | undefined;
}

const document = (Statement: PolicyDocument['Statement']): PolicyDocument => ({ Version: '2012-10-17', Statement });

function tableStatement({ tableArn, stream }: Place, Sid: string, actions: readonly string[]) {
  return {
    Sid,
    Effect: 'Allow' as const,
    Action: actions.map((action) => `dynamodb:${action}`),
    Resource: tableArn,
    // One stream of the table: two buses in one table stay strangers.
    Condition: { 'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': [stream] } },
  };
}

function archiveStatements({ tableArn, archive }: Place, actions: readonly string[]) {
  if (!archive) return [];
  const { bucket, prefix } = archive;
  // The table's partition: aws, aws-cn, aws-us-gov.
  const bucketArn = `arn:${tableArn.split(':')[1]}:s3:::${bucket}`;
  return [
    {
      Sid: 'CertBusArchive',
      Effect: 'Allow' as const,
      Action: actions.map((action) => `s3:${action}`),
      Resource: `${bucketArn}/${prefix ? `${prefix}/` : ''}*`,
    },
    // Without it S3 answers "denied" where it should say "not there".
    {
      Sid: 'CertBusArchiveMissing',
      Effect: 'Allow' as const,
      Action: ['s3:ListBucket'],
      Resource: bucketArn,
      // What else is in the bucket stays unknown.
      ...(prefix ? { Condition: { StringLike: { 's3:prefix': [`${prefix}/*`] } } } : {}),
    },
  ];
}

/** The policies for one bus in one table, and its archive where it has one. */
export function createPolicies(place: Place): Policies {
  const read = ['GetItem', 'Query'];
  return {
    manager: document([
      tableStatement(place, 'CertBusReadAndAppend', [...read, 'PutItem']),
      ...archiveStatements(place, ['GetObject', 'PutObject']),
    ]),
    loadBalancer: document([tableStatement(place, 'CertBusRead', read), ...archiveStatements(place, ['GetObject'])]),
    operator: document([
      tableStatement(place, 'CertBusMaintain', [...read, 'PutItem', 'UpdateItem', 'DeleteItem', 'BatchWriteItem']),
      ...archiveStatements(place, ['GetObject', 'PutObject']),
    ]),
  };
}
