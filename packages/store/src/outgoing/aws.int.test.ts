/** Tests that the AWS SDK goes through a proxy: to DynamoDB Local, and to an S3 server. */
import { requirePart, type S3Server, startConnectProxy, startS3Server } from 'certbus-services';
import { drawCredentials, sharedDynamoDbLocal } from 'certbus-services/vitest';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openDynamoDbLog } from '../adapters/dynamodb/dynamodb.ts';
import { openArchivePlace, openLog } from '../open.ts';
import { createOutgoing } from './index.ts';

const dynamoDbPart = requirePart('dynamodb-local');
const s3Part = requirePart('s3');
const NO_PROXY = '10.0.0.0/8, 127.0.0.0/8';

async function startProxy(...verdict: Parameters<typeof startConnectProxy>) {
  const proxy = await startConnectProxy(...verdict);
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  return proxy;
}

describe.skipIf(dynamoDbPart.skip)(dynamoDbPart.title('DynamoDB through a proxy'), () => {
  const credentials = drawCredentials();
  let endpoint: string;
  let tables = 0;

  beforeAll(async () => {
    ({ endpoint } = await sharedDynamoDbLocal());
  });

  const newAddress = () => {
    tables += 1;
    return `dynamodb://proxied-${tables}/prod?region=eu-central-1&endpoint=${encodeURIComponent(endpoint)}`;
  };

  test('a table is made, written and read through CONNECT, over connections that are kept', async () => {
    const proxy = await startProxy();
    const outgoing = createOutgoing({ environment: { HTTP_PROXY: proxy.url } });
    const log = await openLog(newAddress(), { create: true, credentials, outgoing });
    for (let after = 0; after < 5; after += 1) await log.append('prod', after, Buffer.from(`${after}`));
    expect((await log.read('prod', 0, { consistent: true })).commits).toHaveLength(5);
    await log.close();
    expect(new Set(proxy.tunnels)).toEqual(new Set([new URL(endpoint).host]));
    expect(proxy.tunnels.length).toBeLessThanOrEqual(2);
  });

  test.each([
    ['NO_PROXY has its range', { NO_PROXY }],
    ['the variable is for another scheme', { HTTP_PROXY: '', HTTPS_PROXY: 'http://127.0.0.1:1' }],
  ])('it is reached directly where %s', async (_, variables) => {
    const proxy = await startProxy();
    const outgoing = createOutgoing({ environment: { HTTP_PROXY: proxy.url, ...variables } });
    const log = await openLog(newAddress(), { create: true, credentials, outgoing });
    await log.append('prod', 0, Buffer.from('x'));
    await log.close();
    expect(proxy.tunnels).toEqual([]);
  });

  const openRefused = (options: Parameters<typeof createOutgoing>[0]) =>
    openDynamoDbLog({
      table: 'refused',
      region: 'eu-central-1',
      endpoint,
      credentials,
      requestTimeoutMs: 2000,
      outgoing: createOutgoing(options),
    });

  test('a refusal is the error of the proxy, and has no credentials', async () => {
    const proxy = await startProxy(() => 407);
    const opened = openRefused({ proxy: proxy.url.replace('//', '//me:s3cret@') });
    const error = await opened.catch((reason: unknown) => reason);
    const { host } = new URL(proxy.url);
    expect(error).toMatchObject({ code: 'CERTBUS_STORE_UNREACHABLE' });
    expect(String(error)).toContain(`the proxy ${host} refused the connection to ${new URL(endpoint).host} (HTTP 407)`);
    expect(String(error)).not.toContain('s3cret');
  });

  test('a variable that is wrong is an error at once, and not an outage', async () => {
    await expect(openRefused({ environment: { http_proxy: 'socks4://p.test' } })).rejects.toMatchObject({
      code: 'CERTBUS_STORE_PROXY_INVALID',
      message: expect.stringContaining('http_proxy'),
    });
  });
});

describe.skipIf(s3Part.skip)(s3Part.title('S3 through a proxy'), () => {
  let server: S3Server;

  beforeAll(async () => {
    server = await startS3Server();
  });
  afterAll(() => server?.stop());

  const open = (options: Parameters<typeof createOutgoing>[0]) => {
    const { bucket, region, endpoint, credentials } = server;
    const address = `s3://${bucket}/archive?region=${region}&endpoint=${encodeURIComponent(endpoint)}`;
    return openArchivePlace(address, { credentials, outgoing: createOutgoing(options) });
  };

  test('objects are put and read through CONNECT, also large ones that ask first', async () => {
    const proxy = await startProxy();
    const place = await open({ environment: { all_proxy: proxy.url } });
    const large = Buffer.alloc(3_000_000, 'x');
    await place.put('large', large);
    expect(await place.get('large')).toHaveLength(large.length);
    await place.update('count', () => Buffer.from('1'));
    await place.close();
    expect(new Set(proxy.tunnels)).toEqual(new Set([new URL(server.endpoint).host]));
  });

  test('it is reached directly where NO_PROXY has its range', async () => {
    const proxy = await startProxy();
    const place = await open({ environment: { HTTP_PROXY: proxy.url, NO_PROXY } });
    expect(await place.get('nothing')).toBeUndefined();
    await place.close();
    expect(proxy.tunnels).toEqual([]);
  });

  test('a proxy that is away is named', async () => {
    const place = await open({ proxy: 'http://me:s3cret@127.0.0.1:1' });
    const error = await place.get('nothing').catch((reason: unknown) => reason);
    await place.close();
    expect(error).toMatchObject({ code: 'CERTBUS_STORE_UNREACHABLE', message: /the proxy 127\.0\.0\.1:1 cannot be/ });
    expect(String(error)).not.toContain('s3cret');
  });
});
