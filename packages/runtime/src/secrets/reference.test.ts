/** Tests of the form of references to secrets. */
import { describe, expect, test } from 'vitest';
import { isReference, parseReference, shownReference } from './reference.ts';

const none = { region: undefined, endpoint: undefined };

test.each([
  ['ssm:/certbus/prod/manager-key', { service: 'ssm', name: '/certbus/prod/manager-key', ...none }],
  ['ssm:/key:3', { service: 'ssm', name: '/key:3', ...none }],
  [' ssm:/key?region=eu-central-1\n', { service: 'ssm', name: '/key', ...none, region: 'eu-central-1' }],
  [
    'ssm:arn:aws:ssm:eu-west-1:123456789012:parameter/shared/key',
    { service: 'ssm', name: 'arn:aws:ssm:eu-west-1:123456789012:parameter/shared/key', ...none, region: 'eu-west-1' },
  ],
  ['secretsmanager:certbus/prod', { service: 'secretsmanager', name: 'certbus/prod', ...none }],
  [
    'secretsmanager:a@b?region=x&endpoint=http%3A%2F%2F127.0.0.1%3A1',
    { service: 'secretsmanager', name: 'a@b', region: 'x', endpoint: 'http://127.0.0.1:1' },
  ],
  [
    'secretsmanager:arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:certbus-AbCdEf',
    {
      service: 'secretsmanager',
      name: 'arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:certbus-AbCdEf',
      ...none,
      region: 'cn-north-1',
    },
  ],
])('%s is a reference', (text, expected) => {
  expect(parseReference(text, 'The manager key')).toEqual(expected);
});

describe('what begins like a reference and is not one is refused without being quoted', () => {
  test.each([
    ['ssm:', 'the name of a parameter is a path'],
    ['ssm:certbus/key', 'the name of a parameter is a path'],
    ['ssm:/a//b', 'the name of a parameter is a path'],
    ['ssm:/Geheimnis!', 'the name of a parameter is a path'],
    ['ssm:arn:aws:s3:::bucket', 'the name of a parameter is a path'],
    ['secretsmanager:', 'the name of a secret has'],
    ['secretsmanager:a b', 'the name of a secret has'],
    ['ssm:/key?zone=x', 'a parameter that is neither region nor endpoint'],
    ['ssm:/key?region=', 'its region is empty'],
    ['ssm:/key?region=a&region=b', 'more than one region'],
    ['ssm:/key?region=EU-CENTRAL-1', 'its region has other characters'],
    ['ssm:/key?region=Geheimnis', 'its region has other characters'],
    ['ssm:/key?endpoint=ftp://x', 'its endpoint is not an http or https URL'],
    ['ssm:/key?endpoint=https://user:Geheimnis@x', 'a user name or a password'],
  ])('%s', (text, why) => {
    expect(() => parseReference(text, 'CERTBUS_SECRET_X')).toThrow(
      expect.objectContaining({
        code: 'CERTBUS_CLI_SECRET_REFERENCE_INVALID',
        message: expect.stringMatching(/^CERTBUS_SECRET_X is not a reference(?!.*Geheimnis).*ssm:\/PATH/),
      }),
    );
    expect(() => parseReference(text, 'CERTBUS_SECRET_X')).toThrow(why);
  });
});

test('a key, a path and a secret are no references', () => {
  for (const text of ['certbus-manager-key-1 x', 'manager.key', 'ssmx:/key', './ssm:/key', ''])
    expect(isReference(text)).toBe(false);
});

test('messages show a reference without its query', () => {
  expect(shownReference(parseReference('ssm:/key?region=x', 'The key'))).toBe('ssm:/key');
});
