import { type ConnectProxy, requirePart, startConnectProxy } from 'certbus-services';
import { Agent, ProxyAgent } from 'undici';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createAcme, generateAccountKey, type Outgoing, readDirectory } from '../index.ts';
import { startScriptedCa } from '../tests/scripted-ca.builders.ts';
import { obtainFor, startStrictCa } from '../tests/strict-ca.builders.ts';
import { engineOf } from './handles.ts';

const never = new AbortController().signal;

async function start() {
  const proxy = await startConnectProxy();
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  return { ...(await startStrictCa()), proxy };
}

/** A way out that is undici's own. */
const through = ({ url }: ConnectProxy): Outgoing => ({
  proxyHost: () => new URL(url).host,
  openDispatcher: async ({ connect = {}, ...options }) => new ProxyAgent({ ...options, uri: url, requestTls: connect }),
});

/** A way out whose connections fail, or never come. */
const failing = (code: string | undefined): Outgoing => ({
  proxyHost: () => 'p.test:3128',
  openDispatcher: async (options) =>
    new Agent({
      ...options,
      connect: (_, done) => (code ? done(Object.assign(new Error('not given'), { code }), null) : undefined),
    }),
});

test('a whole order goes the way out that is given, and TLS is still checked end to end', async () => {
  const { openRegistered, open, proxy, server } = await start();
  const ca = await openRegistered({ outgoing: through(proxy) });
  await obtainFor(ca, ['a.test']);
  expect(new Set(proxy.tunnels)).toEqual(new Set([new URL(server.directory).host]));
  const distrusting = open({ outgoing: through(proxy), roots: (await startStrictCa()).server.roots });
  await expect(readDirectory(distrusting, { signal: never })).rejects.toThrow(/through the proxy .* not trusted/);
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

test.each([
  ['ERR_PROXY_REFUSED', /cannot be reached through the proxy p\.test:3128: the proxy does not let it through/],
  ['ERR_PROXY_UNREACHABLE', /cannot be reached through the proxy p\.test:3128: the proxy does not answer/],
])('%s of a way out is explained, with the host of the proxy', async (code, message) => {
  const { open } = await start();
  const ca = open({ outgoing: failing(code), sleep: async () => {} });
  await expect(readDirectory(ca, { signal: never })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_UNREACHABLE',
    message: expect.stringMatching(message),
  });
});

test('an abort ends the wait for a connection that does not come', async () => {
  const { open } = await start();
  const stop = new AbortController();
  const ca = open({ outgoing: failing(undefined), requestTimeoutMs: 3_600_000 });
  const aborted = expect(readDirectory(ca, { signal: stop.signal })).rejects.toThrow('enough');
  setImmediate(() => stop.abort(new Error('enough')));
  await aborted;
});

const accountKey = await generateAccountKey();

test('a way out that is wrong is an error before the first request', () => {
  const outgoing: Outgoing = {
    proxyHost() {
      throw new Error('HTTPS_PROXY is wrong');
    },
    openDispatcher: () => expect.unreachable(),
  };
  const make = () => createAcme({ directory: 'https://ca.test/directory', accountKey, outgoing });
  expect(make).toThrow('HTTPS_PROXY is wrong');
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
