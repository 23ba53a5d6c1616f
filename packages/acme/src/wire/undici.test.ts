import { type ProxyVerdict, requirePart, startConnectProxy } from 'certbus-services';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createAcme, generateAccountKey, proxyOf, readDirectory } from '../index.ts';
import { startScriptedCa } from '../tests/scripted-ca.builders.ts';
import { obtainFor, startStrictCa } from '../tests/strict-ca.builders.ts';
import { engineOf } from './handles.ts';

const never = new AbortController().signal;

async function start(judge?: Parameters<typeof startConnectProxy>[0]) {
  const proxy = await startConnectProxy(judge);
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  return { ...(await startStrictCa()), proxy };
}

test('a whole order goes through the proxy, and TLS is still checked end to end', async () => {
  const { openRegistered, open, proxy, server } = await start();
  const ca = await openRegistered({ proxy: { url: proxy.url } });
  await obtainFor(ca, ['a.test']);
  expect(new Set(proxy.tunnels)).toEqual(new Set([new URL(server.directory).host]));
  const distrusting = open({ proxy: { url: proxy.url }, roots: (await startStrictCa()).server.roots });
  await expect(readDirectory(distrusting, { signal: never })).rejects.toThrow(/not trusted/);
});

test.each(['127.0.0.1', 'ca.test, 127.0.0.1', '*'])('NO_PROXY "%s" goes round it', async (noProxy) => {
  const { openRegistered, proxy } = await start();
  await obtainFor(await openRegistered({ proxy: { url: proxy.url, noProxy } }), ['a.test']);
  expect(proxy.tunnels).toEqual([]);
});

test('the environment by itself moves nothing', async () => {
  const { openRegistered, proxy } = await start();
  const names = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy', 'NO_PROXY', 'no_proxy'] as const;
  const before = names.map((name) => [name, process.env[name]] as const);
  onTestFinished(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
  for (const name of names) process.env[name] = /no_proxy/i.test(name) ? '' : proxy.url;
  await obtainFor(await openRegistered(), ['a.test']);
  expect(proxy.tunnels).toEqual([]);
});

test('credentials go to the proxy, and into no message', async () => {
  const given: (string | undefined)[] = [];
  const { open, proxy } = await start(({ headers }) => {
    given.push(headers['proxy-authorization']);
    return 407;
  });
  const url = proxy.url.replace('//', '//user:s3cret@');
  const error = await readDirectory(open({ proxy: { url } }), { signal: never }).catch((reason: unknown) => reason);
  expect(given[0]).toBe(`Basic ${Buffer.from('user:s3cret').toString('base64')}`);
  expect(error).toMatchObject({
    code: 'CERTBUS_ACME_UNREACHABLE',
    message: expect.stringContaining(`through the proxy ${new URL(proxy.url).host}: the proxy does not let it through`),
  });
  expect(JSON.stringify(error) + String(error)).not.toContain('s3cret');
});

test('a proxy that is down is named', async () => {
  const { open, proxy } = await start();
  await proxy[Symbol.asyncDispose]();
  const ca = open({ proxy: { url: proxy.url }, sleep: async () => {} });
  await expect(readDirectory(ca, { signal: never })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_UNREACHABLE',
    message: expect.stringContaining(`proxy ${new URL(proxy.url).host}`),
  });
});

test('an abort ends the wait for a proxy that says nothing', async () => {
  const verdict: ProxyVerdict = 'stall';
  const { open, proxy } = await start(() => verdict);
  const stop = new AbortController();
  const pending = readDirectory(open({ proxy: { url: proxy.url }, requestTimeoutMs: 3_600_000 }), {
    signal: stop.signal,
  });
  const aborted = expect(pending).rejects.toThrow('enough');
  await expect.poll(() => proxy.tunnels.length).toBe(1);
  stop.abort(new Error('enough'));
  await aborted;
});

const accountKey = await generateAccountKey();
const LOOPBACK = 'localhost,127.0.0.1,[::1]';

test.each(['', 'proxy.test:3128', 'ftp://proxy.test', 'socks5://proxy.test:1080'])('%j is no proxy', (url) => {
  const make = () => createAcme({ directory: 'https://ca.test/directory', accountKey, proxy: { url } });
  expect(make).toThrow(expect.objectContaining({ code: 'CERTBUS_ACME_PROXY_INVALID' }));
});

test.each<[Record<string, string>, ReturnType<typeof proxyOf>]>([
  [{}, undefined],
  [{ HTTPS_PROXY: '' }, undefined],
  [{ HTTP_PROXY: 'http://p.test:1' }, undefined],
  [{ HTTPS_PROXY: 'http://p.test:1' }, { url: 'http://p.test:1', noProxy: LOOPBACK }],
  [
    { HTTPS_PROXY: 'http://p.test:1', https_proxy: 'http://q.test:1' },
    { url: 'http://q.test:1', noProxy: LOOPBACK },
  ],
  [
    { https_proxy: 'http://p.test:1', NO_PROXY: 'a, b' },
    { url: 'http://p.test:1', noProxy: `a, b,${LOOPBACK}` },
  ],
])('the environment %j means the proxy %j', (environment, expected) => {
  expect(proxyOf(environment)).toEqual(expected);
});

test('what lies on this machine is reached without the proxy of the environment', async () => {
  const { openRegistered, proxy } = await start();
  const named = proxyOf({ HTTPS_PROXY: proxy.url, NO_PROXY: 'ca.test' });
  await obtainFor(await openRegistered(named ? { proxy: named } : {}), ['a.test']);
  expect(proxy.tunnels).toEqual([]);
});

const part = requirePart('ipv6');

describe.skipIf(part.skip)(part.title('on a machine with IPv6'), () => {
  test('a CA that has IPv6 alone is reached', async () => {
    await using server = await startScriptedCa(undefined, { host: '::1' });
    const ca = createAcme({ directory: server.directory, accountKey });
    onTestFinished(() => ca.close());
    expect(new URL(ca.directory).hostname).toBe('[::1]');
    using session = await engineOf(ca).open({ signal: never });
    await session.createAccount({ onlyReturnExisting: true });
    expect(server.asked.map(({ path }) => path)).toEqual(['/dir', '/account']);
  });
});
