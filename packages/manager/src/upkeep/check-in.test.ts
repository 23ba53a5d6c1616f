import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createOutgoing } from '@certbus/store/outgoing';
import { startConnectProxy } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { checkInThrough } from './check-in.ts';

const { signal } = new AbortController();

/** A server on loopback; the URL has a path that is as good as a secret. */
async function startServer(answer: RequestListener) {
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    answer(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { host, url: `http://${host}/secret-path?run=1`, asked };
}

async function startProxy(...verdict: Parameters<typeof startConnectProxy>) {
  const proxy = await startConnectProxy(...verdict);
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  return proxy;
}

test('a check-in goes through the proxy, or round it for NO_PROXY', async () => {
  const { host, url, asked } = await startServer((_, response) => response.end());
  const proxy = await startProxy();
  const environment = { HTTP_PROXY: proxy.url };
  await checkInThrough(createOutgoing({ environment }))(url, signal);
  expect(proxy.tunnels).toEqual([host]);
  await checkInThrough(createOutgoing({ environment: { ...environment, NO_PROXY: '127.0.0.0/8' } }))(url, signal);
  await checkInThrough(undefined)(url, signal);
  expect(proxy.tunnels).toHaveLength(1);
  expect(asked).toEqual(Array.from({ length: 3 }, () => '/secret-path?run=1'));
});

test('a refusal of the proxy is told, with neither its credentials nor the path', async () => {
  const { host, url } = await startServer((_, response) => response.end());
  const proxy = await startProxy(() => 407);
  const outgoing = createOutgoing({ proxy: proxy.url.replace('//', '//me:s3cret@') });
  const error = await checkInThrough(outgoing)(url, signal).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'CERTBUS_MANAGER_CHECK_IN_FAILED' });
  const way = `the check-in at ${host} through the proxy ${new URL(proxy.url).host} failed`;
  expect(String(error)).toContain(way);
  expect(String(error)).not.toMatch(/s3cret|secret-path/);
});

test.each([true, false])('a redirect is not followed; through a proxy: %j', async (isProxied) => {
  const other = await startServer((_, response) => response.end());
  const { url } = await startServer((_, response) => void response.writeHead(302, { location: other.url }).end());
  const outgoing = isProxied ? createOutgoing({ proxy: (await startProxy()).url }) : undefined;
  const failed = checkInThrough(outgoing)(url, signal);
  await expect(failed).rejects.toThrow(/HTTP status 302. It redirects: set the URL to where that leads/);
  await expect(failed).rejects.not.toThrow('secret-path');
  expect(other.asked).toEqual([]);
});

test('a URL with a password is called nowhere, and not told', async () => {
  const failed = checkInThrough(undefined)('http://me:s3cret@in.test/secret-path', signal);
  await expect(failed).rejects.toMatchObject({ code: 'CERTBUS_MANAGER_CHECK_IN_FAILED' });
  await expect(failed).rejects.not.toThrow(/s3cret|secret-path/);
});

test('a variable that is wrong is told by its name', async () => {
  const outgoing = createOutgoing({ environment: { HTTP_PROXY: 'ftp://p.test' } });
  await expect(checkInThrough(outgoing)('http://in.test/secret-path', signal)).rejects.toMatchObject({
    code: 'CERTBUS_STORE_PROXY_INVALID',
    message: expect.stringContaining('HTTP_PROXY'),
  });
});
