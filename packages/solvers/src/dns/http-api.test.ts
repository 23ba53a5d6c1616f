import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createTlsIdentity, startConnectProxy } from 'certbus-services';
import { ProxyAgent } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { createHttp01S3Solver } from '../http-01/s3.ts';
import { createChallTestSrvSolver } from '../providers/challtestsrv/solver.ts';
import { createRoute53Solver } from '../providers/route53/solver.ts';
import { parseApiUrl } from './api-url.ts';
import { type ApiRequest, callApi, type HttpApi, type NetworkOptions } from './http-api.ts';

const SECRET = crypto.randomUUID();
const { signal } = new AbortController();

/** An API whose answers are given in turn; the last one stays. */
async function startApi(...answers: readonly ((request: IncomingMessage, response: ServerResponse) => void)[]) {
  const seen: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    seen.push(request);
    (answers[seen.length - 1] ?? answers.at(-1))?.(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const api: HttpApi = {
    title: 'the host',
    url,
    headers: { 'x-api-key': SECRET },
    secrets: [SECRET],
    longestWaitMs: 2000,
  };
  const call = (request: Partial<ApiRequest> = {}) =>
    callApi(api, { attempt: 'Trying', method: 'GET', path: '/it', signal, ...request });
  return { url, seen, call };
}

const answer =
  (status: number, text = '', headers: Readonly<Record<string, string>> = {}) =>
  (_: IncomingMessage, response: ServerResponse) =>
    void response.writeHead(status, headers).end(text);
const drop = (request: IncomingMessage) => void request.socket.destroy();

test('an answer comes with its JSON, and credentials go in headers only', async () => {
  const { call, seen } = await startApi(answer(200, '{"a":1}'));
  expect(await call()).toMatchObject({ status: 200, json: { a: 1 } });
  expect(seen[0]?.headers).toMatchObject({ 'x-api-key': SECRET, 'user-agent': 'certbus' });
  expect(seen[0]?.url).toBe('/it');
});

test('a redirection is not followed, so nobody else sees the credentials', async () => {
  const other = await startApi(answer(200));
  const { call } = await startApi(answer(302, '', { location: other.url }));
  await expect(call()).rejects.toThrow(/redirects to another address/);
  expect(other.seen).toHaveLength(0);
});

test('a secret that the host repeats is cut out', async () => {
  const { call } = await startApi(answer(400, `bad key ${SECRET}, \u001b[31mreally`));
  expect((await call()).said).toBe('bad key …,  [31mreally');
});

test('a busy host is asked again', async () => {
  const { call, seen } = await startApi(answer(503), answer(429, '', { 'retry-after': '1' }), answer(204));
  expect(await call()).toMatchObject({ status: 204, json: undefined });
  expect(seen).toHaveLength(3);
});

test('a host that asks for more patience than there is fails at once, and says until when', async () => {
  const { call, seen } = await startApi(answer(429, '', { 'retry-after': '3' }));
  await expect(call()).rejects.toThrow(/Trying at the host: it is busy \(HTTP 429, until .*Z\)/);
  expect(seen).toHaveLength(1);
});

test('a lost answer is asked for again, but not where that could undo something', async () => {
  const { call, seen } = await startApi(drop, answer(200));
  expect(await call()).toMatchObject({ status: 200 });
  expect(seen).toHaveLength(2);
  const careful = await startApi(drop, answer(200));
  await expect(careful.call({ isRepeatable: false })).rejects.toThrow(/cannot be reached/);
  expect(careful.seen).toHaveLength(1);
});

test('an answer without an end is cut off', async () => {
  const flood = (_: IncomingMessage, response: ServerResponse) => {
    const chunk = Buffer.alloc(1_000_000, 'x');
    const write = () => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on('drain', write).on('error', () => {});
    write();
  };
  const { call } = await startApi(flood);
  await expect(call({ isRepeatable: false })).rejects.toThrow(/larger than 32 MB/);
});

test.each(['ftp://a.test', 'a.test', 'https://user:s3cret@a.test'])('"%s" is no address of an API', (text) => {
  expect(() => parseApiUrl(text)).toThrow(TypeError);
  expect(() => parseApiUrl(text)).not.toThrow(/s3cret/);
});

test.each([
  ['Route 53', (endpoint: string) => createRoute53Solver({ endpoint })],
  ['S3', (endpoint: string) => createHttp01S3Solver({ bucket: 'bucket', endpoint })],
  ['challtestsrv', (url: string) => createChallTestSrvSolver({ url })],
])('the solver for %s refuses an address with a password, and does not repeat it', (_, create) => {
  const open = () => create('https://user:s3cret@a.test');
  expect(open).toThrow('must not hold a user name or password');
  expect(open).not.toThrow(/s3cret/);
});

test('an API by https is asked through a proxy, trusting the roots of a private CA', async () => {
  const { root, certificate: cert, key } = await createTlsIdentity();
  const server = createHttpsServer({ cert, key }, (_, response) => void response.end('{}'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy = await startConnectProxy();
  onTestFinished(async () => {
    await proxy[Symbol.asyncDispose]();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const ask = (network: NetworkOptions) => {
    const api = { title: 'the host', url: `https://${host}`, headers: {}, secrets: [], network };
    return callApi(api, { attempt: 'Trying', method: 'GET', path: '/', signal, isRepeatable: false });
  };
  const through = {
    proxyHost: () => new URL(proxy.url).host,
    openDispatcher: async ({ connect = {} }) => new ProxyAgent({ uri: proxy.url, requestTls: connect }),
    agents: () => expect.unreachable('of no use here'),
  };
  expect(await ask({ outgoing: through, roots: root })).toMatchObject({ status: 200 });
  expect(proxy.tunnels).toEqual([host]);
  expect(await ask({ roots: root })).toMatchObject({ status: 200 });
  expect(proxy.tunnels).toHaveLength(1);
  await expect(ask({ outgoing: through })).rejects.toThrow(
    /at the host through the proxy 127\.0\.0\.1:\d+: its TLS certificate is not trusted here \(.*set "roots"/,
  );
});
