/** Tests of credentials in a file that another program renews while a bus is open. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { useCredentialsFile } from 'certbus-services/vitest';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { openDynamoDbLog } from './adapters/dynamodb/dynamodb.ts';
import { startScriptedService } from './adapters/dynamodb/service.builders.ts';
import { openS3 } from './adapters/places/s3.ts';

let renew: ReturnType<typeof useCredentialsFile>;

beforeEach(() => {
  renew = useCredentialsFile();
});

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
