import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { createTlsIdentity, startConnectProxy } from 'certbus-services';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { createOutgoing, postJson } from './index.ts';

const { signal } = new AbortController();
let identity: Awaited<ReturnType<typeof createTlsIdentity>>;

beforeAll(async () => {
  identity = await createTlsIdentity();
});

async function listen(server: Server & { closeAllConnections(): void }): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const post = (url: string, more: Partial<Parameters<typeof postJson>[1]> = {}) =>
  postJson(new URL(url), { body: { hello: 'world' }, outgoing: undefined, signal, ...more });

/** Why a host did not take it, which has neither the path nor the query. */
async function whyNot(url: string, more?: Partial<Parameters<typeof postJson>[1]>): Promise<string> {
  const error = await post(url, more).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(Error);
  expect(String(error)).not.toMatch(/s3cret/);
  return (error as Error).message;
}

test('JSON is posted with its headers, directly, through a proxy and to roots of its own', async () => {
  const got: unknown[] = [];
  const answer: RequestListener = (request, response) => {
    let text = '';
    request.on('data', (chunk) => {
      text += String(chunk);
    });
    request.on('end', () => {
      const { method, url, headers } = request;
      got.push([method, url, headers['content-type'], headers.authorization, JSON.parse(text)]);
      response.writeHead(202).end('thanks');
    });
  };
  const http = await listen(createHttpServer(answer));
  const https = await listen(createHttpsServer({ key: identity.key, cert: identity.certificate }, answer));
  const headers = { authorization: 'Bearer x' };
  await post(`http://${http}/s3cret?a=1`, { headers });
  const proxy = await startConnectProxy();
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  await post(`https://${https}/s3cret?a=1`, {
    headers,
    roots: identity.root,
    outgoing: createOutgoing({ proxy: proxy.url }),
  });
  expect(proxy.tunnels).toEqual([https]);
  const expected = ['POST', '/s3cret?a=1', 'application/json', 'Bearer x', { hello: 'world' }];
  expect(got).toEqual([expected, expected]);
  expect(await whyNot(`https://${https}/s3cret`)).toMatch(/^127\.0\.0\.1:\d+: .*certificate/);
});

test.each<[string, RequestListener, RegExp, timeoutMs?: number]>([
  ['answers with an error', (_, response) => void response.writeHead(500).end('s3cret'), /: HTTP status 500$/],
  ['never answers', () => {}, /: no whole answer within 0\.3 s$/, 300],
  [
    'never ends its answer',
    (_, response) => void response.writeHead(200).write('x'),
    /: no whole answer within 0\.3 s$/,
    300,
  ],
  ['hangs up', (request) => void request.socket.destroy(), /^127\.0\.0\.1:\d+: ./],
])(
  'a host that %s is named with the reason, and nothing of the rest of its URL',
  async (_, answer, reason, timeoutMs = 3_600_000) => {
    const host = await listen(createHttpServer(answer));
    expect(await whyNot(`http://${host}/s3cret?key=s3cret`, { timeoutMs })).toMatch(reason);
  },
);

test('a redirect is not followed, and an abort is not taken for a failure of the host', async () => {
  let asked = 0;
  const other = await listen(
    createHttpServer((_, response) => {
      asked += 1;
      response.end();
    }),
  );
  const redirects: RequestListener = (_, response) =>
    void response.writeHead(307, { location: `http://${other}/s3cret` }).end();
  const host = await listen(createHttpServer(redirects));
  expect(await whyNot(`http://${host}/s3cret`)).toMatch(/HTTP status 307 \(it redirects: set the URL/);
  expect(asked).toBe(0);
  const reason = new Error('stopped');
  await expect(post(`http://${host}/`, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});
