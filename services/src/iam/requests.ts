/** What requests to AWS mean to IAM: action, resource and condition keys, read from what is sent. */
import { ACCOUNT, type IamRequest } from './judge.ts';

/** A request by HTTP. */
export interface HttpRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  /** Of `x-amz-target`; empty where it is missing. */
  readonly target: string;
  /** Of `authorization`. */
  readonly authorization: string;
  readonly body: string;
}

/** Who signed a request, and for which service and region. */
export interface CredentialScope {
  readonly accessKeyId: string;
  readonly region: string;
  readonly service: string;
}

/** The scope of a signature; `undefined` where the request is not signed. */
export function scopeOf({ authorization }: Pick<HttpRequest, 'authorization'>): CredentialScope | undefined {
  const match = /Credential=([^/]+)\/\d+\/([^/]+)\/([^/]+)\/aws4_request/.exec(authorization);
  const [, accessKeyId, region, service] = match ?? [];
  return accessKeyId && region && service ? { accessKeyId, region, service } : undefined;
}

/** An item or a key of DynamoDB, of which the stream is the partition key. */
type Item = { readonly s?: { readonly S?: string } };

/** The fields of JSON requests that say what they are about. */
interface Json {
  readonly TableName?: string;
  readonly Key?: Item;
  readonly Item?: Item;
  readonly KeyConditionExpression?: string;
  readonly ExpressionAttributeValues?: Readonly<Record<string, { readonly S?: string }>>;
  readonly RequestItems?: Readonly<
    Record<string, readonly { readonly PutRequest?: { Item: Item }; readonly DeleteRequest?: { Key: Item } }[]>
  >;
  readonly Name?: string;
  readonly SecretId?: string;
  readonly CertificateArn?: string;
  readonly Tags?: readonly { readonly Key: string; readonly Value: string }[];
}

/** The streams that a request names. */
function leadingKeys({ Key, Item, KeyConditionExpression = '', ExpressionAttributeValues, RequestItems = {} }: Json) {
  const [, variable = ''] = /\bs = (:\w+)/.exec(KeyConditionExpression) ?? [];
  const batches = Object.values(RequestItems).flatMap((requests) =>
    requests.map(({ PutRequest, DeleteRequest }) => PutRequest?.Item ?? DeleteRequest?.Key),
  );
  const items = [Key, Item, ...batches].map((item) => item?.s?.S);
  const keys = [...items, ExpressionAttributeValues?.[variable]?.S].filter((key) => key !== undefined);
  return [...new Set(keys)];
}

function dynamoDb(operation: string, json: Json, region: string): IamRequest {
  const table = json.TableName ?? Object.keys(json.RequestItems ?? {})[0] ?? '';
  const keys = leadingKeys(json);
  return {
    action: `dynamodb:${operation}`,
    resource: table.startsWith('arn:') ? table : `arn:aws:dynamodb:${region}:${ACCOUNT}:table/${table}`,
    context: keys.length > 0 ? { 'dynamodb:LeadingKeys': keys } : {},
  };
}

/** The ARN of a parameter that is asked for by name or ARN, of which a version or a label is no part. */
function parameterArn(name: string, arn: (resource: string) => string): string {
  const [path = '', ...others] = name.split(':parameter').reverse();
  const resource = `parameter${path.replace(/:.*$/, '')}`;
  return others.length > 0 ? `${others.join('')}:${resource}` : arn(resource);
}

/** The ARN of a secret that is asked for by name or ARN. Secrets Manager adds a dash and six characters, and finds a secret without them as well. */
function secretArn(id: string, arn: (resource: string) => string): string {
  if (!id.startsWith('arn:')) return arn(`secret:${id}-AbCdEf`);
  return /-[a-zA-Z0-9]{6}$/.test(id) ? id : `${id}-AbCdEf`;
}

/** Services whose operation is in a header and whose parameters are JSON. */
function byTarget({ target, body }: HttpRequest, { service, region }: CredentialScope): IamRequest {
  const operation = target.replace(/^.*\./, '');
  const json: Json = JSON.parse(body);
  const arn = (resource: string) => `arn:aws:${service}:${region}:${ACCOUNT}:${resource}`;
  switch (service) {
    case 'dynamodb':
      return dynamoDb(operation, json, region);
    case 'ssm':
      return { action: `ssm:${operation}`, resource: parameterArn(json.Name ?? '', arn) };
    case 'secretsmanager':
      return { action: `secretsmanager:${operation}`, resource: secretArn(json.SecretId ?? '', arn) };
    case 'acm': {
      const tags = Object.fromEntries((json.Tags ?? []).map(({ Key, Value }) => [`aws:RequestTag/${Key}`, Value]));
      const every = operation === 'ListCertificates' ? '*' : arn('certificate/*');
      return { action: `acm:${operation}`, resource: json.CertificateArn ?? every, context: tags };
    }
    default:
      throw new Error(`nothing here knows the requests of ${service}`);
  }
}

function s3({ method, url }: HttpRequest): IamRequest {
  const { pathname, searchParams } = new URL(url, 'http://s3');
  const [, bucket = '', key = ''] = /^\/([^/]+)(?:\/(.*))?$/.exec(decodeURIComponent(pathname)) ?? [];
  if (key === '') {
    const prefix = searchParams.get('prefix');
    return {
      action: 's3:ListBucket',
      resource: `arn:aws:s3:::${bucket}`,
      context: prefix === null ? {} : { 's3:prefix': prefix },
    };
  }
  const operation = { GET: 'GetObject', HEAD: 'GetObject', PUT: 'PutObject', DELETE: 'DeleteObject' }[method] ?? method;
  return { action: `s3:${operation}`, resource: `arn:aws:s3:::${bucket}/${key}` };
}

/** The contents of all elements of a name. */
const elements = (xml: string, name: string): string[] => [
  ...new Set([...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, text = '']) => text)),
];

const normalized = (name: string): string => name.toLowerCase().replace(/\.$/, '');

function route53({ method, url, body }: HttpRequest): IamRequest {
  const path = new URL(url, 'http://route53').pathname.replace(/\/$/, '');
  const zone = (id: string) => `arn:aws:route53:::hostedzone/${id}`;
  const [, zoneId = '', inside] = /\/hostedzone\/([^/]+)(\/rrset)?$/.exec(path) ?? [];
  const [, change] = /\/change\/([^/]+)$/.exec(path) ?? [];
  if (change) return { action: 'route53:GetChange', resource: `arn:aws:route53:::change/${change}` };
  if (/\/hostedzonesbyname$/.test(path)) return { action: 'route53:ListHostedZonesByName', resource: '*' };
  if (zoneId === '') return { action: 'route53:ListHostedZones', resource: '*' };
  if (!inside) return { action: 'route53:GetHostedZone', resource: zone(zoneId) };
  if (method === 'GET') return { action: 'route53:ListResourceRecordSets', resource: zone(zoneId) };
  const key = 'route53:ChangeResourceRecordSets';
  return {
    action: key,
    resource: zone(zoneId),
    context: {
      [`${key}RecordTypes`]: elements(body, 'Type'),
      [`${key}NormalizedRecordNames`]: [...new Set(elements(body, 'Name').map(normalized))],
      [`${key}Actions`]: elements(body, 'Action'),
    },
  };
}

/** What a request means to IAM. Throws for a service that nothing here knows. */
export function iamRequestOf(request: HttpRequest, scope: CredentialScope): IamRequest {
  if (scope.service === 's3') return s3(request);
  if (scope.service === 'route53') return route53(request);
  return byTarget(request, scope);
}
