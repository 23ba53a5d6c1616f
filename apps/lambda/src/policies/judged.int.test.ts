/** Tests of what the policies allow, by a simulator of IAM. */
import { type IamJudge, type IamRequest, requirePart, startIamJudge } from 'certbus-services';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PolicyPlace } from './place.ts';
import { createPolicies } from './policies.ts';

const part = requirePart('iam-judge');
const region = 'eu-central-1';
const own = (service: string, resource: string) => `arn:aws:${service}:${region}:123456789012:${resource}`;
const place: PolicyPlace = {
  tableArn: own('dynamodb', 'table/certbus'),
  stream: 'prod',
  archive: { bucketArn: 'arn:aws:s3:::shared', prefix: 'certbus/prod' },
  zoneArns: ['arn:aws:route53:::hostedzone/Z1', 'arn:aws:route53:::hostedzone/Z2'],
  delegated: ['*.acme.test'],
  parameterArns: [own('ssm', 'parameter/certbus/prod/manager-key')],
  secretArns: [own('secretsmanager', 'secret:dns-??????')],
  checkpointArn: own('ssm', 'parameter/certbus/prod/checkpoint'),
  identityArn: own('ssm', 'parameter/certbus/prod/acm-identity'),
  keyArn: own('kms', 'key/1'),
  accounts: ['210987654321'],
};
const policies = createPolicies(place);
type Role = 'manager' | 'loadBalancer' | 'acm' | 'operator';

const table = (action: string, stream: string | undefined = 'prod', name = 'certbus'): IamRequest => ({
  action: `dynamodb:${action}`,
  resource: own('dynamodb', `table/${name}`),
  context: stream === undefined ? {} : { 'dynamodb:LeadingKeys': [stream] },
});
const object = (action: string, key: string, bucket = 'shared'): IamRequest => ({
  action: `s3:${action}`,
  resource: `arn:aws:s3:::${bucket}/${key}`,
});
const listing = (prefix?: string): IamRequest => ({
  action: 's3:ListBucket',
  resource: 'arn:aws:s3:::shared',
  context: prefix === undefined ? {} : { 's3:prefix': prefix },
});
const key = 'route53:ChangeResourceRecordSets';
const change = (names: readonly string[], types: readonly string[] = ['TXT'], zone = 'Z1'): IamRequest => ({
  action: key,
  resource: `arn:aws:route53:::hostedzone/${zone}`,
  context: { [`${key}RecordTypes`]: types, [`${key}NormalizedRecordNames`]: names },
});
const parameter = (action: string, name: string): IamRequest => ({
  action: `ssm:${action}`,
  resource: own('ssm', `parameter${name}`),
});

const certificate = (action: string, context: IamRequest['context'] = {}, where = region): IamRequest => ({
  action: `acm:${action}`,
  resource: `arn:aws:acm:${where}:123456789012:certificate/1`,
  context,
});
const ofBus = { 'aws:ResourceTag/certbus:bus': 'certbus/prod' };
const forBus = { 'aws:RequestTag/certbus:bus': 'certbus/prod' };

const kms = (action: string, id = '1'): IamRequest => ({ action: `kms:${action}`, resource: own('kms', `key/${id}`) });

/** What each role may do, and what none of them may. */
const ALLOWED: Readonly<Record<Role, readonly IamRequest[]>> = {
  manager: [
    table('GetItem'),
    table('Query'),
    table('PutItem'),
    object('GetObject', 'certbus/prod/snapshots/x'),
    object('PutObject', 'certbus/prod/archives/x'),
    listing('certbus/prod/snapshots/x'),
    change(['_acme-challenge.example.com', '_acme-challenge.www.example.com']),
    change(['_acme-challenge.example.com'], ['TXT'], 'Z2'),
    change(['example-com.acme.test']),
    { action: 'route53:ListResourceRecordSets', resource: 'arn:aws:route53:::hostedzone/Z1' },
    { action: 'route53:GetChange', resource: 'arn:aws:route53:::change/C1' },
    { action: 'route53:ListHostedZones', resource: '*' },
    parameter('GetParameter', '/certbus/prod/manager-key'),
    parameter('GetParameter', '/certbus/prod/checkpoint'),
    parameter('PutParameter', '/certbus/prod/checkpoint'),
    { action: 'secretsmanager:GetSecretValue', resource: own('secretsmanager', 'secret:dns-AbCdEf') },
    kms('Decrypt'),
    kms('GenerateDataKey'),
  ],
  loadBalancer: [
    table('GetItem'),
    table('Query'),
    object('GetObject', 'certbus/prod/snapshots/x'),
    listing('certbus/prod/snapshots/x'),
    kms('Decrypt'),
  ],
  acm: [
    table('GetItem'),
    table('Query'),
    object('GetObject', 'certbus/prod/snapshots/x'),
    listing('certbus/prod/snapshots/x'),
    parameter('GetParameter', '/certbus/prod/acm-identity'),
    certificate('ImportCertificate', forBus),
    certificate('AddTagsToCertificate', forBus),
    certificate('ImportCertificate', ofBus),
    certificate('ImportCertificate', ofBus, 'us-east-1'),
    certificate('GetCertificate'),
    certificate('ListTagsForCertificate'),
    { action: 'acm:ListCertificates', resource: '*' },
    kms('Decrypt'),
  ],
  operator: [
    ...['GetItem', 'Query', 'PutItem', 'UpdateItem', 'DeleteItem', 'BatchWriteItem'].map((action) => table(action)),
    object('GetObject', 'certbus/prod/snapshots/x'),
    object('PutObject', 'certbus/prod/archives/x'),
    listing('certbus/prod/snapshots/x'),
    kms('Decrypt'),
    kms('GenerateDataKey'),
  ],
};

/** The policy that a key has by default: without it, no other policy allows anything. */
const LEFT_TO_IAM = {
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Principal: { AWS: 'arn:aws:iam::123456789012:root' }, Action: 'kms:*', Resource: '*' },
  ],
};

const NEVER: readonly IamRequest[] = [
  ...['Scan', 'DescribeTable', 'DeleteTable', 'UpdateTable'].map((action) => table(action)),
  // A request that carries no stream, one of another stream, of two, and of another table.
  ...['GetItem', 'Query', 'PutItem'].flatMap((action) => [
    { ...table(action), context: {} },
    table(action, 'other'),
    { ...table(action), context: { 'dynamodb:LeadingKeys': ['prod', 'other'] } },
    table(action, 'prod', 'other'),
  ]),
  object('DeleteObject', 'certbus/prod/archives/x'),
  object('GetObject', 'certbus/production/x'),
  object('GetObject', 'other'),
  object('PutObject', 'certbus/other/x'),
  object('GetObject', 'certbus/prod/x', 'other'),
  listing(),
  listing('certbus/'),
  listing('other/x'),
  change(['example.com']),
  change(['www._acme-challenge.example.com']),
  change(['_acme-challenge.example.com'], ['A']),
  change(['_acme-challenge.example.com'], ['TXT', 'CNAME']),
  change(['_acme-challenge.example.com', 'example.com']),
  change(['_acme-challenge.example.com'], ['TXT'], 'Z3'),
  { ...change([]), context: {} },
  { ...change(['_acme-challenge.example.com']), context: { [`${key}RecordTypes`]: ['TXT'] } },
  { action: 'route53:ListResourceRecordSets', resource: 'arn:aws:route53:::hostedzone/Z3' },
  { action: 'route53:DeleteHostedZone', resource: 'arn:aws:route53:::hostedzone/Z1' },
  // Over a certificate of somebody else, or of another bus.
  certificate('ImportCertificate'),
  certificate('ImportCertificate', { 'aws:ResourceTag/certbus:bus': 'certbus/other' }),
  certificate('AddTagsToCertificate', ofBus),
  ...['DeleteCertificate', 'ExportCertificate', 'RemoveTagsFromCertificate'].map((action) =>
    certificate(action, ofBus),
  ),
  parameter('GetParameter', '/certbus/prod/other'),
  parameter('PutParameter', '/certbus/prod/manager-key'),
  parameter('DeleteParameter', '/certbus/prod/checkpoint'),
  { action: 'secretsmanager:GetSecretValue', resource: own('secretsmanager', 'secret:dns-other-AbCdEf') },
  ...['Decrypt', 'GenerateDataKey'].map((action) => kms(action, '2')),
  ...['Encrypt', 'CreateGrant', 'DisableKey', 'ScheduleKeyDeletion', 'PutKeyPolicy'].map((action) => kms(action)),
];

const textOf = ({ action, resource, context }: IamRequest): string => JSON.stringify([action, resource, context ?? {}]);

describe.skipIf(part.skip)(part.title('judged by a simulator of IAM'), () => {
  let judge: IamJudge;
  beforeAll(async () => {
    judge = await startIamJudge();
  });
  afterAll(() => judge?.stop());

  test.each(Object.keys(ALLOWED) as Role[])('the role %s can do what it needs, and nothing else', async (role) => {
    const subject = { principal: `arn:aws:iam::123456789012:role/${role}`, policies: [policies[role]] };
    const asked = [...Object.values(ALLOWED).flat(), ...NEVER].map((request) => [textOf(request), request] as const);
    const wanted = new Set(ALLOWED[role].map(textOf));
    const allowed: string[] = [];
    for (const [text, request] of new Map(asked)) {
      const resourcePolicy = request.action.startsWith('kms:') ? LEFT_TO_IAM : undefined;
      if (await judge.isAllowed({ ...subject, resourcePolicy }, request)) allowed.push(text);
    }
    expect(allowed.toSorted()).toEqual([...wanted].toSorted());
  });

  test('load balancers of another account read with both policies, and with neither alone', async () => {
    const principal = 'arn:aws:iam::210987654321:role/balancer';
    const [identity, resource] = [policies.loadBalancer, policies.table];
    const mayRead = (request: IamRequest, resourcePolicy: unknown, ...identities: unknown[]) =>
      judge.isAllowed({ principal, policies: identities, resourcePolicy }, request);
    expect(await mayRead(table('Query'), resource, identity)).toBe(true);
    expect(await mayRead(table('Query'), resource)).toBe(false);
    expect(await mayRead(table('Query'), undefined, identity)).toBe(false);
    expect(await mayRead(table('Query', 'other'), resource, identity)).toBe(false);
    expect(await mayRead(table('PutItem'), resource, policies.manager)).toBe(false);
    const found = object('GetObject', 'certbus/prod/snapshots/x');
    expect(await mayRead(found, policies.bucket, identity)).toBe(true);
    expect(await mayRead(found, policies.bucket)).toBe(false);
    expect(await mayRead(found, undefined, identity)).toBe(false);
    const listed = listing('certbus/prod/snapshots/x');
    expect(await mayRead(listed, policies.bucket, identity)).toBe(true);
    expect(await mayRead(listed, undefined, identity)).toBe(false);
    for (const wider of [listing(), listing('certbus/')])
      expect(await mayRead(wider, policies.bucket, identity)).toBe(false);
    expect(await mayRead(object('GetObject', 'other'), policies.bucket, policies.operator)).toBe(false);
    const stranger = { principal: 'arn:aws:iam::333333333333:role/x', policies: [identity], resourcePolicy: resource };
    expect(await judge.isAllowed(stranger, table('Query'))).toBe(false);
  });
});
