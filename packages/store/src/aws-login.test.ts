/** Tests of what is reported of an expired login at AWS. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test, vi } from 'vitest';
import { openDynamoDbLog } from './adapters/dynamodb/dynamodb.ts';
import { openS3 } from './adapters/places/s3.ts';

const temporary = temporaryFolder();
afterAll(() => temporary.remove());

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

test.each(PROFILES)('a login that is not there is named with the command that makes it, %s', async (_, config) => {
  mkdirSync(join(temporary.path, '.aws'), { recursive: true });
  const file = join(temporary.path, '.aws', `config-${config.length}`);
  writeFileSync(file, config);
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN']) vi.stubEnv(name, undefined);
  vi.stubEnv('HOME', temporary.path);
  vi.stubEnv('AWS_CONFIG_FILE', file);
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(temporary.path, 'none'));
  vi.stubEnv('AWS_PROFILE', 'ops');
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
  const refused = { code: 'CERTBUS_STORE_ACCESS_DENIED', message: expect.stringContaining('Run "aws sso login"') };
  await expect(openDynamoDbLog({ table: 'certbus', endpoint: 'http://127.0.0.1:9' })).rejects.toMatchObject(refused);
  const place = openS3({ bucket: 'archive', endpoint: 'http://127.0.0.1:9' });
  await expect(place.get('manifest')).rejects.toMatchObject(refused);
  await place.close();
  vi.unstubAllEnvs();
});
