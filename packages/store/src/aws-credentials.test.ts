/** Tests of what is reported of credentials that AWS does not take, and of those that are missing. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { openDynamoDbLog } from './adapters/dynamodb/dynamodb.ts';
import { wrapDynamoDbError } from './adapters/dynamodb/errors.ts';
import { openS3 } from './adapters/places/s3.ts';
import { wrapPlaceError } from './archive/place-errors.ts';

const temporary = temporaryFolder();
afterAll(() => temporary.remove());
afterEach(() => vi.unstubAllEnvs());

const SESSION = `[sso-session company]
sso_start_url = https://company.awsapps.test/start
sso_region = eu-central-1
`;
const ACCOUNT = 'sso_account_id = 123456789012\nsso_role_name = Operator\nregion = eu-central-1\n';
const PROFILES = [
  ['with a session', `[profile ops]\nsso_session = company\n${ACCOUNT}${SESSION}`],
  [
    'without a session',
    `[profile ops]\nsso_start_url = https://company.awsapps.test/start\nsso_region = eu-central-1\n${ACCOUNT}`,
  ],
] as const;

function useProfile(name: string, file: string): void {
  for (const each of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN']) vi.stubEnv(each, undefined);
  vi.stubEnv('HOME', temporary.path);
  vi.stubEnv('AWS_CONFIG_FILE', file);
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(temporary.path, 'none'));
  vi.stubEnv('AWS_PROFILE', name);
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
}

test.each(PROFILES)('a login that is not there is named with the command that makes it, %s', async (_, config) => {
  mkdirSync(join(temporary.path, '.aws'), { recursive: true });
  const file = join(temporary.path, '.aws', `config-${config.length}`);
  writeFileSync(file, config);
  useProfile('ops', file);
  const refused = { code: 'CERTBUS_STORE_ACCESS_DENIED', message: expect.stringContaining('Run "aws sso login"') };
  await expect(openDynamoDbLog({ table: 'certbus', endpoint: 'http://127.0.0.1:9' })).rejects.toMatchObject(refused);
  const place = openS3({ bucket: 'archive', endpoint: 'http://127.0.0.1:9' });
  await expect(place.get('manifest')).rejects.toMatchObject(refused);
  await place.close();
});

test('where nothing has credentials, the message says where they can be', async () => {
  useProfile('tpyo', join(temporary.path, 'none'));
  await expect(
    openDynamoDbLog({ table: 'certbus', region: 'eu-central-1', endpoint: 'http://127.0.0.1:9' }),
  ).rejects.toThrow(
    'The DynamoDB table "certbus" needs AWS credentials, and none were found here: no variables, no profile of that name, no role of this machine.',
  );
});

test.each([
  [
    'UnrecognizedClientException',
    'The security token included in the request is invalid.',
    'is the region not enabled in their account?',
  ],
  [
    'InvalidSignatureException',
    'Signature expired: 20261130T080000Z is now earlier than 20261130T081500Z',
    'the clock of this machine is wrong.',
  ],
  [
    'InvalidSignatureException',
    'Signature not yet current: 20261130T090000Z is still later than 20261130T081500Z',
    'the clock of this machine is wrong.',
  ],
  [
    'InvalidSignatureException',
    "Credential should be scoped to a valid region, not 'EU-CENTRAL-1'.",
    'was signed for another region: correct the region.',
  ],
  [
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided.',
    'the secret key or the clock is wrong.',
  ],
  [
    'RequestTimeTooSkewed',
    'The difference between the request time and the current time is too large.',
    'the clock of this machine is wrong.',
  ],
  ['ExpiredToken', 'The provided token has expired.', 'they have expired.'],
  ['InvalidToken', 'The provided token is malformed or otherwise invalid.', 'their session token is wrong.'],
  ['InvalidIdentityToken', 'No OpenIDConnect provider found in your account', 'the token of the web identity'],
  [
    'AccessDenied',
    'User: arn:aws:iam::1:user/me is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::1:role/ops',
    'needs the credentials of a role, and arn:aws:iam::1:user/me lacks sts:AssumeRole on arn:aws:iam::1:role/ops.',
  ],
  [
    'AuthorizationHeaderMalformed',
    'The authorization header is malformed; the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
    'refuses these credentials: they are incomplete.',
  ],
  [
    'AuthorizationHeaderMalformed',
    'The authorization header is malformed; a non-empty Access Key (AKID) must be provided in the credential.',
    'refuses these credentials: they are incomplete.',
  ],
  ['CredentialsProviderError', 'Token is not valid JSON.', 'none were found here: Token is not valid JSON.'],
])('%s (%s) is a matter of credentials, for a table and for an archive', (name, message, what) => {
  const error = Object.assign(new Error(message), { name });
  for (const wrapped of [wrapDynamoDbError('certbus', error), wrapPlaceError('s3://bucket/certbus', error)])
    expect(wrapped).toMatchObject({ code: 'CERTBUS_STORE_ACCESS_DENIED', message: expect.stringContaining(what) });
});
