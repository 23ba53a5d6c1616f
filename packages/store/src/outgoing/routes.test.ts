import { expect, test } from 'vitest';
import { createOutgoing } from './index.ts';
import { createRoutes, type ProxySetting } from './routes.ts';

/** The proxy of a URL in an environment; `undefined` where it is reached directly. */
const hostFor = (environment: Record<string, string>, url: string) => createOutgoing({ environment })?.proxyHost(url);

test.each<[Record<string, string>, string, string | undefined]>([
  [{}, 'https://a.test', undefined],
  [{ HTTPS_PROXY: 'http://p.test:3128' }, 'https://a.test', 'p.test:3128'],
  [{ HTTPS_PROXY: 'http://p.test:3128' }, 'http://a.test', undefined],
  [{ https_proxy: 'http://p.test:3128' }, 'https://a.test', 'p.test:3128'],
  [{ HTTPS_PROXY: 'http://p.test:1', https_proxy: 'http://q.test:1' }, 'https://a.test', 'q.test:1'],
  [{ HTTPS_PROXY: 'http://p.test:1', https_proxy: '' }, 'https://a.test', 'p.test:1'],
  [{ HTTPS_PROXY: '' }, 'https://a.test', undefined],
  [{ HTTP_PROXY: 'http://p.test:1' }, 'http://a.test', 'p.test:1'],
  [{ HTTP_PROXY: 'http://p.test:1' }, 'https://a.test', undefined],
  [{ http_proxy: 'http://p.test:1', HTTP_PROXY: 'http://q.test:1' }, 'http://a.test', 'p.test:1'],
  [{ HTTP_PROXY: 'http://p.test:1', REQUEST_METHOD: 'GET' }, 'http://a.test', undefined],
  [{ http_proxy: 'http://p.test:1', REQUEST_METHOD: 'GET' }, 'http://a.test', 'p.test:1'],
  [{ ALL_PROXY: 'http://p.test:1' }, 'https://a.test', 'p.test:1'],
  [{ all_proxy: 'http://p.test:1' }, 'http://a.test', 'p.test:1'],
  [{ ALL_PROXY: 'http://p.test:1', HTTPS_PROXY: 'http://q.test:1' }, 'https://a.test', 'q.test:1'],
  [{ ALL_PROXY: 'http://p.test:1', HTTPS_PROXY: 'http://q.test:1' }, 'http://a.test', 'p.test:1'],
  [{ ALL_PROXY: 'http://p.test:1', all_proxy: 'http://q.test:1' }, 'https://a.test', 'q.test:1'],
  // The form of the address.
  [{ HTTPS_PROXY: 'p.test:3128' }, 'https://a.test', 'p.test:3128'],
  [{ HTTPS_PROXY: 'user:word@p.test:3128' }, 'https://a.test', 'p.test:3128'],
  [{ HTTPS_PROXY: 'http://p.test' }, 'https://a.test', 'p.test:80'],
  [{ HTTPS_PROXY: 'https://p.test/' }, 'https://a.test', 'p.test:443'],
  [{ HTTPS_PROXY: 'HTTP://[2001:db8::1]:3128' }, 'https://a.test', '[2001:db8::1]:3128'],
  [{ HTTPS_PROXY: 'http://me:s3cret@p.test:3128' }, 'https://a.test', 'p.test:3128'],
  // Exceptions.
  [{ HTTPS_PROXY: 'http://p.test:1', NO_PROXY: 'a.test' }, 'https://a.test', undefined],
  [{ HTTPS_PROXY: 'http://p.test:1', no_proxy: '10.0.0.0/8', NO_PROXY: 'a.test' }, 'https://a.test', 'p.test:1'],
  [{ HTTPS_PROXY: 'http://p.test:1', no_proxy: '', NO_PROXY: 'a.test' }, 'https://a.test', undefined],
  [{ ALL_PROXY: 'http://p.test:1', NO_PROXY: '10.0.0.0/8' }, 'https://10.1.2.3', undefined],
  // This machine: a proxy elsewhere would reach itself, one that is here too is meant for it, as with curl.
  [{ HTTPS_PROXY: 'http://p.test:1' }, 'https://localhost:14000', undefined],
  [{ HTTPS_PROXY: 'http://p.test:1' }, 'https://ca.localhost', undefined],
  [{ HTTPS_PROXY: 'http://p.test:1' }, 'https://127.9.9.9', undefined],
  [{ HTTPS_PROXY: 'http://p.test:1' }, 'https://[::1]', undefined],
  [{ HTTPS_PROXY: 'http://127.0.0.1:3128' }, 'https://127.0.0.1:14000', '127.0.0.1:3128'],
  [{ HTTPS_PROXY: 'http://localhost:3128' }, 'https://[::1]:14000', 'localhost:3128'],
  [{ HTTPS_PROXY: 'http://[::1]:3128' }, 'https://localhost', '[::1]:3128'],
  [{ HTTPS_PROXY: 'http://127.0.0.1:3128', NO_PROXY: '127.0.0.0/8' }, 'https://127.0.0.1:14000', undefined],
])('with %j, %s is reached through %s', (environment, url, host) => {
  expect(hostFor(environment, url)).toBe(host);
});

const SECRET = 's3cret';

test.each([
  ['ftp://p.test:1', /its scheme is ftp/],
  ['socks5h://me:s3cret@p.test:1080', /its scheme is socks5h/],
  ['http://', /no valid host and port/],
  ['http://p.test:port', /no valid host and port/],
  ['http://p.test:99999', /no valid host and port/],
  ['http://p.test:0', /no valid host and port/],
  ['http://me:s3cret#@p.test:1', /no valid host and port/],
  ['http://me:1/s3cret@p.test:1', /something follows/],
  ['http://p.test:1/path', /something follows/],
  ['http://p.test:1?s3cret', /something follows/],
  ['what is this', /no valid host and port/],
])('%j is refused, with the name of its variable and without its text', (text, why) => {
  for (const name of ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy']) {
    const ask = () => hostFor({ [name]: text }, 'https://a.test');
    expect(ask).toThrow(expect.objectContaining({ code: 'CERTBUS_STORE_PROXY_INVALID' }));
    expect(ask).toThrow(why);
    expect(ask).toThrow(`The environment variable ${name} is not the address of a proxy`);
    expect(ask).not.toThrow(SECRET);
  }
  expect(() => hostFor({ HTTP_PROXY: text }, 'http://a.test')).toThrow('HTTP_PROXY');
  expect(() => createOutgoing({ proxy: text })).toThrow(/^The option "proxy" is not the address of a proxy/);
});

test('a variable that is wrong stops only what needs it', () => {
  const environment = { ALL_PROXY: 'socks5://p.test:1080', HTTPS_PROXY: 'http://q.test:1', NO_PROXY: 'b.test' };
  expect(hostFor(environment, 'https://a.test')).toBe('q.test:1');
  expect(hostFor(environment, 'http://b.test')).toBeUndefined();
  expect(() => hostFor(environment, 'http://a.test')).toThrow('ALL_PROXY');
});

test.each<[ProxySetting | undefined, string, string | undefined]>([
  [undefined, 'https://a.test', 'e.test:1'],
  [false, 'https://a.test', undefined],
  ['http://p.test:1', 'https://a.test', 'p.test:1'],
  ['http://p.test:1', 'http://a.test', 'p.test:1'],
  [{ url: 'http://p.test:1', noProxy: 'a.test' }, 'https://a.test', undefined],
  [{ url: 'http://p.test:1' }, 'https://excepted.test', 'p.test:1'],
])('the option %j comes before the environment: %s through %s', (proxy, url, host) => {
  const environment = { HTTPS_PROXY: 'http://e.test:1', NO_PROXY: 'excepted.test' };
  expect(createOutgoing({ proxy, environment })?.proxyHost(url)).toBe(host);
});

test.each([
  ['http://me:word@p.test:1', 'me:word'],
  ['http://me@p.test:1', 'me:'],
  ['http://:word@p.test:1', ':word'],
  ['http://me%40home:w%2Fo%3Ard@p.test:1', 'me@home:w/o:rd'],
  ['http://me:100%@p.test:1', 'me:100%'],
  ['http://me:b%C3%BCcher@p.test:1', 'me:bücher'],
  ['http://me:w@rd@p.test:1', 'me:w@rd'],
  ['me:word@p.test:1', 'me:word'],
])('%j gives the proxy the credentials %j', (proxy, credentials) => {
  const [scheme, text = ''] = createRoutes({ proxy })?.(new URL('https://a.test'))?.authorization?.split(' ') ?? [];
  expect(scheme).toBe('Basic');
  expect(Buffer.from(text, 'base64').toString()).toBe(credentials);
});
