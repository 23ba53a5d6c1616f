import { createServer as createHttpServer, get as httpGet, type IncomingMessage } from 'node:http';
import { createServer as createHttpsServer, get as httpsGet } from 'node:https';
import { type AddressInfo, connect, type Server, type Socket } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { inspect } from 'node:util';
import { createTlsIdentity, type ProxyVerdict, startConnectProxy } from 'certbus-services';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { createOutgoing, type Outgoing } from './index.ts';

let identity: Awaited<ReturnType<typeof createTlsIdentity>>;

beforeAll(async () => {
  identity = await createTlsIdentity();
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    if ('closeAllConnections' in server) (server as ReturnType<typeof createHttpServer>).closeAllConnections();
    await closed;
  });
  return (server.address() as AddressInfo).port;
}

/** A web server of each scheme, and a proxy. */
async function start(judge?: (request: IncomingMessage) => ProxyVerdict) {
  const answer: Parameters<typeof createHttpServer>[1] = (request, response) => response.end(`got ${request.url}`);
  const http = `127.0.0.1:${await listen(createHttpServer(answer))}`;
  const tls = { key: identity.key, cert: identity.certificate };
  const https = `127.0.0.1:${await listen(createHttpsServer(tls, answer))}`;
  const proxy = await startConnectProxy(judge);
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  return { proxy, http, https };
}

const need = (outgoing: Outgoing | undefined): Outgoing => outgoing ?? expect.unreachable('no way out');

/** Asks with the agents of `node:http`. */
function askByAgent(outgoing: Outgoing, url: string, timeoutMs = 10_000): Promise<string> {
  const agents = outgoing.agents({ timeoutMs });
  onTestFinished(() => {
    agents.httpAgent.destroy();
    agents.httpsAgent.destroy();
  });
  return new Promise((resolve, reject) => {
    const read = (response: IncomingMessage) => response.on('data', (chunk) => resolve(String(chunk)));
    const call = url.startsWith('https:')
      ? httpsGet(url, { agent: agents.httpsAgent, ca: identity.root }, read)
      : httpGet(url, { agent: agents.httpAgent }, read);
    call.on('error', reject);
  });
}

/** Asks with the dispatcher of undici. */
async function askByDispatcher(outgoing: Outgoing, url: string, timeout = 10_000): Promise<string> {
  const dispatcher = await outgoing.openDispatcher({ connect: { ca: identity.root, timeout } });
  onTestFinished(() => dispatcher.destroy());
  const { origin, pathname } = new URL(url);
  const { body } = await dispatcher.request({ origin, path: pathname, method: 'GET' });
  return body.text();
}

const WAYS = [
  ['agents', askByAgent],
  ['dispatcher', askByDispatcher],
] as const;

test.each(WAYS)('the %s reach http and https through CONNECT, and go round it for NO_PROXY', async (_, ask) => {
  const { proxy, http, https } = await start();
  const all = need(createOutgoing({ environment: { ALL_PROXY: proxy.url } }));
  expect(await ask(all, `http://${http}/a`)).toBe('got /a');
  expect(await ask(all, `https://${https}/b`)).toBe('got /b');
  expect(proxy.tunnels).toEqual([http, https]);
  const none = need(createOutgoing({ environment: { ALL_PROXY: proxy.url, NO_PROXY: '127.0.0.0/8' } }));
  expect(await ask(none, `http://${http}/a`)).toBe('got /a');
  expect(await ask(none, `https://${https}/b`)).toBe('got /b');
  expect(proxy.tunnels).toHaveLength(2);
});

test.each(WAYS)('the %s check TLS end to end', async (_, ask) => {
  const { proxy, https } = await start();
  const other = await createTlsIdentity();
  const tls = { key: other.key, cert: other.certificate };
  const port = await listen(createHttpsServer(tls, (_request, response) => response.end('wrong')));
  const outgoing = need(createOutgoing({ proxy: proxy.url }));
  await expect(ask(outgoing, `https://127.0.0.1:${port}/`)).rejects.toThrow(/certificate/);
  expect(await ask(outgoing, `https://${https}/`)).toBe('got /');
});

test.each(WAYS)('the %s give the proxy its credentials, and no error has them', async (_, ask) => {
  const given: (string | undefined)[] = [];
  const { proxy, http, https } = await start(({ headers }) => {
    given.push(headers['proxy-authorization']);
    return 407;
  });
  const outgoing = need(createOutgoing({ proxy: proxy.url.replace('//', '//me:s3cret@') }));
  for (const url of [`http://${http}/`, `https://${https}/`]) {
    const error = await ask(outgoing, url).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'ERR_PROXY_REFUSED' });
    const { host } = new URL(proxy.url);
    expect(String(error)).toContain(`the proxy ${host} refused the connection to ${new URL(url).host} (HTTP 407)`);
    const shown = inspect(error, { depth: 9, showHidden: true });
    expect(shown).not.toMatch(new RegExp(`s3cret|${Buffer.from('me:s3cret').toString('base64')}`));
  }
  expect(given).toEqual(Array.from({ length: 2 }, () => `Basic ${Buffer.from('me:s3cret').toString('base64')}`));
});

test.each(WAYS)('the %s name a proxy that is down', async (_, ask) => {
  const { proxy, http } = await start();
  await proxy[Symbol.asyncDispose]();
  const asked = ask(need(createOutgoing({ proxy: proxy.url })), `http://${http}/`);
  await expect(asked).rejects.toMatchObject({
    code: 'ERR_PROXY_UNREACHABLE',
    message: `the proxy ${new URL(proxy.url).host} cannot be reached: ECONNREFUSED`,
  });
});

test.each(WAYS)('the %s give up on a proxy that says nothing', async (_, ask) => {
  const { proxy, https } = await start(() => 'stall');
  const asked = ask(need(createOutgoing({ proxy: proxy.url })), `https://${https}/`, 50);
  await expect(asked).rejects.toMatchObject({ code: 'ERR_PROXY_UNREACHABLE', message: /no answer within 0.05 s/ });
});

test.each(WAYS)('the %s report a variable that is wrong', async (_, ask) => {
  const { http } = await start();
  const outgoing = need(createOutgoing({ environment: { HTTP_PROXY: 'gopher://p.test' } }));
  await expect(ask(outgoing, `http://${http}/`)).rejects.toMatchObject({
    code: 'CERTBUS_STORE_PROXY_INVALID',
    message: expect.stringContaining('HTTP_PROXY'),
  });
});

test('closing ends tunnels that are being opened', async () => {
  const { proxy, http, https } = await start(() => 'stall');
  const outgoing = need(createOutgoing({ proxy: proxy.url }));
  const dispatcher = await outgoing.openDispatcher({ connect: { timeout: 3_600_000 } });
  const byDispatcher = dispatcher.request({ origin: `https://${https}`, path: '/', method: 'GET' });
  const agents = outgoing.agents({ timeoutMs: 3_600_000 });
  const byAgent = new Promise((_, reject) => {
    httpGet(`http://${http}/`, { agent: agents.httpAgent }).on('error', reject);
  });
  const ended = Promise.allSettled([byDispatcher, byAgent]);
  await expect.poll(() => proxy.tunnels.length).toBe(2);
  await dispatcher.destroy();
  agents.httpAgent.destroy();
  for (const { status } of await ended) expect(status).toBe('rejected');
});

test('bytes that follow the answer of the proxy at once are not lost', async () => {
  const port = await listen(
    createHttpServer().on('connect', (_request, client: Socket) => {
      client.resume().end('HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly');
    }),
  );
  const outgoing = need(createOutgoing({ proxy: `127.0.0.1:${port}` }));
  expect(await askByAgent(outgoing, 'http://127.0.0.1:1/')).toBe('early');
});

test('a proxy can be spoken to by TLS', async () => {
  const { https } = await start();
  const tunnels: (string | undefined)[] = [];
  const proxy = createHttpsServer({ key: identity.key, cert: identity.certificate });
  proxy.on('connect', ({ url }, client: Socket) => {
    tunnels.push(url);
    const target = connect(Number(url?.split(':')[1]), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      target.pipe(client).pipe(target);
    });
    target.on('error', () => client.destroy());
    client.on('error', () => target.destroy());
  });
  const port = await listen(proxy);
  const outgoing = need(createOutgoing({ proxy: `https://127.0.0.1:${port}` }));
  // The roots of Node are the only ones for a proxy; those of the target are not asked.
  for (const [, ask] of WAYS) {
    const asked = ask(outgoing, `https://${https}/`);
    await expect(asked).rejects.toMatchObject({ code: 'ERR_PROXY_UNREACHABLE' });
  }
  expect(tunnels).toEqual([]);
  const roots = getCACertificates('default');
  onTestFinished(() => setDefaultCACertificates(roots));
  setDefaultCACertificates([...roots, identity.root]);
  for (const [, ask] of WAYS) expect(await ask(outgoing, `https://${https}/`)).toBe('got /');
  expect(tunnels).toEqual([https, https]);
});

test('kept-alive connections are used again', async () => {
  const { proxy, https } = await start();
  const outgoing = need(createOutgoing({ proxy: proxy.url }));
  const { httpsAgent } = outgoing.agents();
  onTestFinished(() => httpsAgent.destroy());
  const ask = () =>
    new Promise<void>((resolve, reject) => {
      const options = { agent: httpsAgent, ca: identity.root };
      httpsGet(`https://${https}/`, options, (response) => response.resume().on('close', resolve)).on('error', reject);
    });
  for (let times = 0; times < 3; times += 1) await ask();
  expect(proxy.tunnels).toEqual([https]);
});
