import { expect, test } from 'vitest';
import { formatAddress, parseAddress } from './address.ts';

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
  'dynamodb://table#prod',
])('%j is refused, with the forms that there are', (text) => {
  expect(() => parseAddress(text)).toThrow(/sqlite:\.\/bus\.db#STREAM, dynamodb:\/\/TABLE\/STREAM/);
});
