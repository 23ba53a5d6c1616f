/** Tests of credentials in a file that another program renews while a bus is open. */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { openDynamoDbLog } from './adapters/dynamodb/dynamodb.ts';
import { startScriptedService } from './adapters/dynamodb/service.builders.ts';
import { openS3 } from './adapters/places/s3.ts';

/** Writes the credentials of a session, as a program that renews them does. */
let renew: (accessKeyId: string) => void;

beforeEach(() => {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  const file = join(path, 'credentials');
  renew = (id) =>
    writeFileSync(
      file,
      `[default]\naws_access_key_id = ${id}\naws_secret_access_key = secret\naws_session_token = token\n`,
    );
  for (const each of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_PROFILE'])
    vi.stubEnv(each, undefined);
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', file);
  vi.stubEnv('AWS_CONFIG_FILE', '/dev/null');
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
});
afterEach(() => vi.unstubAllEnvs());

const region = 'eu-central-1';

test('a table is read and written on with credentials that were renewed, and not with those that expired', async () => {
  let inForce = 'FIRST';
  await using service = await startScriptedService(({ accessKeyId }) =>
    accessKeyId === inForce ? { output: { Items: [] } } : { error: 'ExpiredTokenException', message: 'expired' },
  );
  renew('FIRST');
  const log = await openDynamoDbLog({ table: 'certbus', region, endpoint: service.endpoint });
  inForce = 'SECOND';
  renew('SECOND');
  expect((await log.read('s', 0)).commits).toEqual([]);
  inForce = 'THIRD';
  await expect(log.append('s', 0, Buffer.from('x'))).rejects.toMatchObject({
    code: 'CERTBUS_STORE_ACCESS_DENIED',
    message: 'The DynamoDB table "certbus" refuses these credentials: they have expired.',
  });
  renew('THIRD');
  expect(await log.append('s', 0, Buffer.from('x'))).toBe(1);
  await log.close();
  const twice = (operation: string) => [operation, operation];
  expect(service.operations).toEqual(['Query', ...twice('Query'), ...twice('PutItem'), ...twice('PutItem')]);
});

test('an archive is read on with credentials that were renewed', async () => {
  let inForce = 'FIRST';
  const server = createServer((request, response) => {
    const isKnown = request.headers.authorization?.includes(`Credential=${inForce}/`);
    const body = isKnown ? 'bytes' : '<Error><Code>ExpiredToken</Code><Message>expired</Message></Error>';
    response.writeHead(isKnown ? 200 : 400, { 'content-length': body.length }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  renew('FIRST');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const place = openS3({ bucket: 'bucket', region, endpoint });
  expect(Buffer.from((await place.get('a')) ?? []).toString()).toBe('bytes');
  inForce = 'SECOND';
  await expect(place.get('a')).rejects.toMatchObject({ code: 'CERTBUS_STORE_ACCESS_DENIED' });
  renew('SECOND');
  expect(Buffer.from((await place.get('a')) ?? []).toString()).toBe('bytes');
  await place.close();
});
