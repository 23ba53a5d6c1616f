/** Tests of which configurations are accepted, and how others are refused. */
import { expect, test } from 'vitest';
import { checkSolvable } from '../issuance/solvers.ts';
import { parseConfiguration } from './configuration.ts';
import { resolveSecret } from './secrets.ts';

const valid = {
  version: 1,
  authorities: {
    le: {
      directory: 'https://acme-v02.api.letsencrypt.org/directory',
      contact: ['mailto:ops@example.com'],
      termsOfServiceAgreed: true,
      roots: null,
      eab: { kid: 'kid', hmacKey: 'a literal' },
    },
  },
  defaultAuthority: 'le',
  dns: [
    { zones: ['example.com'], provider: 'route53', zoneId: 'Z1', secretAccessKey: { env: 'CERTBUS_SECRET_AWS' } },
    { zones: ['*'], provider: 'challtestsrv', url: 'http://127.0.0.1:8055' },
    { zones: ['a.test'], provider: 'cloudflare', token: { env: 'CERTBUS_SECRET_CF' }, resolver: ['192.0.2.1'] },
    {
      zones: ['b.test'],
      provider: 'rfc2136',
      server: 'ns1.b.test:53',
      key: { name: 'certbus', algorithm: 'hmac-sha512', secret: 'c2VjcmV0' },
      nameServers: false,
      followAliases: false,
    },
    { zones: ['c.test'], provider: 'powerdns', url: 'https://ns1.c.test:8081', apiKey: 'an api key' },
    {
      zones: ['d.test'],
      provider: 'acme-dns',
      url: 'https://auth.d.test',
      accounts: [{ fulldomain: 'x.auth.d.test', subdomain: 'x', username: 'user', password: 'a password' }],
      nameServers: ['192.0.2.53:53'],
    },
    {
      zones: ['e.test'],
      provider: 'httpreq',
      url: 'https://dns.e.test',
      mode: 'raw',
      username: 'user',
      password: 'another password',
    },
    { zones: ['f.test'], provider: 'exec', program: 'my-dns' },
  ],
  http01: { answer: 'clients', probe: false },
  tlsAlpn01: { probe: false },
  dnsPersist01: { nameServers: false },
  checkIn: { url: 'https://check.example/in', within: '48h' },
  alerts: {
    chat: { webhook: 'https://chat.example/hooks/secret' },
    ops: { webhook: { env: 'CERTBUS_SECRET_HOOK' } },
    pager: { alertmanager: 'https://am.example/prefix', username: 'certbus', password: 'a secret password' },
  },
};

/** The valid configuration with the value at a path set; `undefined` takes it away. */
function withValue(path: string, value: unknown): unknown {
  const config = structuredClone(valid);
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  const parent = keys.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], config) as Record<
    string,
    unknown
  >;
  parent[last] = value;
  return JSON.parse(JSON.stringify(config));
}

test('the configuration of the guide is accepted as it is', () => {
  expect(parseConfiguration(valid)).toEqual(valid);
});

test.each([
  ['an unknown field', 'colour', 'red', /colour is not a known field/],
  ['an unknown field inside', 'authorities.le.color', 1, /authorities\.le\.color is not a known field/],
  ['a missing field', 'defaultAuthority', undefined, /defaultAuthority is missing/],
  ['a missing directory', 'authorities.le.directory', undefined, /authorities\.le\.directory is missing/],
  ['a default that is not there', 'defaultAuthority', 'x', /defaultAuthority must be one of/],
  ['terms not agreed', 'authorities.le.termsOfServiceAgreed', false, /terms of service/],
  ['a password in an address', 'checkIn.url', 'https://me:hunter2@check.example/in', /^(?!.*hunter2).*checkIn\.url/],
  ['a check-in within nothing', 'checkIn.within', 'banana', /checkIn\.within must be a time such as 2h/],
  ['a check-in within a month', 'checkIn.within', '30d', /checkIn\.within must be a time .* seven days at most/],
  ['a switch that is a text', 'http01.probe', 'no', /http01\.probe must be true or false/],
  ['a switch of DNS that is a text', 'dns.3.followAliases', 'no', /dns\.3\.followAliases must be true or false/],
  ['http to another machine', 'authorities.le.directory', 'http://ca.example/dir', /https/],
  ['an unknown provider', 'dns.0.provider', 'carrier-pigeon', /dns\.0\.provider.*route53, .*challtestsrv/],
  ['a key that no server knows', 'dns.3.key.algorithm', 'hmac-md5', /dns\.3\.key\.algorithm must be hmac-sha256/],
  ['a secret in the place of an object', 'dns.3.key', 'the-secret', /: dns\.3\.key must be an object\.$/],
  ['a list that is none', 'dns', {}, /: dns must be a list\.$/],
  ['a resolver by its name', 'http01.resolver', ['ns1.b.test'], /http01\.resolver\.0 must be an IP address/],
  ['a resolver at no port', 'dns.2.resolver', ['192.0.2.1:0'], /dns\.2\.resolver\.0 must be an IP address/],
  ['a port that is a text', 'http01.port', '80', /http01\.port must be a number from 1 to 65535/],
  ['no token', 'dns.2.token', undefined, /dns\.2\.token is missing/],
  ['no account', 'dns.5.accounts', [], /dns\.5\.accounts must have at least one account/],
  ['a password without a user name', 'dns.6.username', undefined, /dns\.6\.password goes with username/],
  ['a program by its path', 'dns.7.path', '/bin/sh', /dns\.7\.path is not a known field/],
  ['no program', 'dns.7.program', undefined, /dns\.7\.program is missing/],
  ['a secret from a foreign variable', 'dns.0.secretAccessKey', { env: 'HOME' }, /CERTBUS_SECRET_/],
  ['an HTTP-01 answer that nobody gives', 'http01.answer', 'pigeons', /http01\.answer must be "clients"/],
  ['a bucket without a name', 'http01.answer', { s3: { region: 'eu-central-1' } }, /http01\.answer must be/],
  ['a MAC that nobody has', 'authorities.le.eab.algorithm', 'HS1', /HS256, HS384 or HS512/],
  ['a version of the future', 'version', 2, /version must be 1/],
  ['a fallback that is not there', 'authorities.le.fallback', 'x', /"fallback" of "le"/],
  ['a webhook that is no URL', 'alerts.chat.webhook', 'hunter2', /^(?!.*hunter2).*alerts\.chat must have as "webhook"/],
  ['a webhook with a password', 'alerts.chat.webhook', 'https://a:hunter2@b.test', /^(?!.*hunter2).*alerts\.chat must/],
  ['a place for alerts that is nothing', 'alerts.chat', { email: 'x' }, /alerts\.chat must be \{"webhook": URL\}/],
  ['a user name alone', 'alerts.pager.password', undefined, /alerts\.pager must have both of "username" and/],
  ['two ways to show who it is', 'alerts.pager.token', 'hunter2', /^(?!.*hunter2).*alerts\.pager cannot have/],
  ['a place with a name of spaces', 'alerts.a b', { webhook: 'https://x.test' }, /must have names of letters/],
  ['a staging that is itself', 'authorities.le.staging', 'le', /"staging" of "le"/],
])('%s is refused by its path', (_, path, value, reason) => {
  expect(() => parseConfiguration(withValue(path, value))).toThrow(reason);
});

test.each([
  { standalone: {} },
  { standalone: { port: 8080, address: '::' } },
  { s3: { bucket: 'b', region: 'eu-central-1', secretAccessKey: { env: 'CERTBUS_SECRET_S3' } } },
])('HTTP-01 is answered by %j', (answer) => {
  expect(parseConfiguration(withValue('http01.answer', answer))).toMatchObject({ http01: { answer } });
});

test.each([null, 7, 'text', []])('%j is refused', (json) => {
  expect(() => parseConfiguration(json)).toThrow(expect.objectContaining({ code: 'CERTBUS_MANAGER_CONFIG_INVALID' }));
});

test('a secret comes from its variable, and one that is not set is named', () => {
  expect(resolveSecret({ env: 'CERTBUS_SECRET_X' }, () => 'value')).toBe('value');
  expect(() => resolveSecret({ env: 'CERTBUS_SECRET_X' }, () => undefined)).toThrow(/CERTBUS_SECRET_X/);
});

test('a name that no zone covers is refused before anything is claimed', () => {
  const config = parseConfiguration(withValue('dns', valid.dns.slice(0, 1)));
  expect(() => checkSolvable(config, ['*.shop.example.com'], 'dns-01')).not.toThrow();
  expect(() => checkSolvable(config, ['notexample.com'], 'dns-01')).toThrow(/configured zones: example\.com/);
  expect(() => checkSolvable(config, ['notexample.com'], 'http-01')).not.toThrow();
});
