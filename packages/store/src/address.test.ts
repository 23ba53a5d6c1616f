import { expect, test } from 'vitest';
import { connectDynamoDb } from './adapters/dynamodb/connection.ts';
import { openS3 } from './adapters/places/s3.ts';
import { formatAddress, parseAddress, tableNameOf } from './address.ts';

test.each([
  ['memory:', { kind: 'memory', name: '', stream: 'certbus' }],
  ['memory:x#s', { kind: 'memory', name: 'x', stream: 's' }],
  ['sqlite:./bus.db#prod', { kind: 'sqlite', path: './bus.db', stream: 'prod' }],
  ['sqlite:/var/lib/certbus/bus.db', { kind: 'sqlite', path: '/var/lib/certbus/bus.db', stream: 'certbus' }],
  ['sqlite:C:\\bus.db#prod', { kind: 'sqlite', path: 'C:\\bus.db', stream: 'prod' }],
  [
    'dynamodb://Certs/prod?region=eu-west-1',
    { kind: 'dynamodb', table: 'Certs', stream: 'prod', region: 'eu-west-1', endpoint: undefined },
  ],
  [
    'dynamodb://certs?endpoint=http%3A%2F%2F127.0.0.1%3A8000',
    { kind: 'dynamodb', table: 'certs', stream: 'certbus', region: undefined, endpoint: 'http://127.0.0.1:8000' },
  ],
  [
    'dynamodb://certs/prod?region=cn-north-1&account=123456789012',
    {
      kind: 'dynamodb',
      table: 'certs',
      stream: 'prod',
      region: 'cn-north-1',
      endpoint: undefined,
      account: '123456789012',
    },
  ],
])('%s is understood, and comes back', (text, address) => {
  const parsed = parseAddress(text);
  expect(parsed).toEqual(address);
  expect(parseAddress(formatAddress(parsed))).toEqual(address);
});

test.each([
  '',
  'bus.db',
  'mysql://x',
  'sqlite:',
  'sqlite:#prod',
  'sqlite:x#',
  'sqlite:x#a b',
  'dynamodb:',
  'dynamodb://',
  'dynamodb://x',
  'dynamodb://table/a/b',
  'dynamodb://table/s?regoin=x',
  'dynamodb://table/s?endpoint=x',
  'dynamodb://table/s?endpoint=ftp://x',
  'dynamodb://table/s?region=',
  'dynamodb://table/s?region=a&region=b',
  'dynamodb://table/s?region=EU-CENTRAL-1',
  'dynamodb://table/s?region=eu_central_1',
  'dynamodb://table/s?region=eu-central-1%20',
  'dynamodb://table/s?region=x&account=12345',
  'dynamodb://table/s?account=123456789012',
  'dynamodb://table#prod',
])('%j is refused, with the forms that there are', (text) => {
  expect(() => parseAddress(text)).toThrow(/sqlite:\.\/bus\.db#STREAM, dynamodb:\/\/TABLE\/STREAM/);
});

test.each([
  'dynamodb://table/s?endpoint=https://ops:s3cret@db.test',
  'dynamodb://table/s?endpoint=https%3A%2F%2Fops%3As3cret%40db.test',
  'dynamodb://table/s?region=x&endpoint=https://s3cret@db.test',
  'dynamodb://ops:s3cret@table/s',
  'https://ops:s3cret@db.test',
])('%s is refused without its password', (text) => {
  expect(() => parseAddress(text)).toThrow(/^"(?:dynamodb|https):…" is not the address of a bus/);
  expect(() => parseAddress(text)).not.toThrow(/s3cret/);
});

test.each([
  ['dynamodb://certs/prod?region=eu-west-1', 'certs'],
  [
    'dynamodb://certs/prod?region=eu-west-1&account=123456789012',
    'arn:aws:dynamodb:eu-west-1:123456789012:table/certs',
  ],
  [
    'dynamodb://certs/prod?region=us-gov-west-1&account=123456789012',
    'arn:aws-us-gov:dynamodb:us-gov-west-1:123456789012:table/certs',
  ],
  ...[
    ['cn-northwest-1', 'aws-cn'],
    ['eusc-de-east-1', 'aws-eusc'],
    ['us-iso-west-1', 'aws-iso'],
    ['us-isob-east-1', 'aws-iso-b'],
    ['eu-isoe-west-1', 'aws-iso-e'],
    ['us-isof-south-1', 'aws-iso-f'],
  ].map(([region, partition]) => [
    `dynamodb://certs/prod?region=${region}&account=123456789012`,
    `arn:${partition}:dynamodb:${region}:123456789012:table/certs`,
  ]),
])('the table of %s is %s to DynamoDB', (text, name) => {
  const address = parseAddress(text);
  expect(address.kind === 'dynamodb' && tableNameOf(address)).toBe(name);
});

test('an adapter refuses an endpoint with a password, which it does not repeat', () => {
  const endpoint = 'https://ops:s3cret@db.test';
  for (const open of [
    () => connectDynamoDb({ table: 'table', endpoint }),
    () => openS3({ bucket: 'bucket', endpoint }),
  ]) {
    expect(open).toThrow(/has a user name or a password/);
    expect(open).not.toThrow(/s3cret/);
  }
});
