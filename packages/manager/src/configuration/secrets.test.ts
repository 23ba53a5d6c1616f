/** Tests of secrets from the environment, and of the hosts that they may go to. */
import { expect, test } from 'vitest';
import { parseConfiguration } from './configuration.ts';
import { refusedSecrets, resolveSecret, secretHosts } from './secrets.ts';

const VALUE = 'hunter2-hunter2';
const env = (variables: Readonly<Record<string, string>>) => (name: string) => variables[name];
const secret = { env: 'CERTBUS_SECRET_X' };
const resolve = (hosts: readonly string[], allowed?: string) =>
  resolveSecret(
    secret,
    env({ CERTBUS_SECRET_X: VALUE, ...(allowed === undefined ? {} : { CERTBUS_SECRET_X_HOSTS: allowed }) }),
    { hosts },
  );

test.each([
  ['its name', 'ns1.test:8081', 'ns1.test'],
  ['its name and port', 'ns1.test:8081', 'ns1.test:8081'],
  ['another spelling', 'ns1.test:8081', 'NS1.Test.:8081'],
  ['one of several', 'ns1.test:443', 'other.test, ns1.test third.test'],
  ['an IPv6 address', '[2001:db8::1]:53', '2001:db8::1'],
])('a secret is used at a host that this machine allows by %s', (_, host, allowed) => {
  expect(resolve([host], allowed)).toBe(VALUE);
});

test.each([
  ['no host is', 'ns1.test:8081', undefined],
  ['the list is empty', 'ns1.test:8081', ''],
  ['another host is', 'ns1.test:8081', 'ns2.test'],
  ['another port is', 'ns1.test:8081', 'ns1.test:443'],
  ['the domain above is', 'ns1.test:443', 'test'],
  ['a host that ends like it is', 'evil-ns1.test:443', 'ns1.test'],
  ['only a pattern is', 'ns1.test:443', '* *.test'],
  ['it is no host at all', 'no server/at all', ''],
  ['it is no host at all, nor is what is allowed', 'a/b', 'a/b'],
])(
  'a secret is not used at a host where %s allowed, and the error has the way out but not the secret',
  (_, host, allowed) => {
    let refused: unknown;
    try {
      resolve([host], allowed);
    } catch (error) {
      refused = error;
    }
    expect(refused).toMatchObject({ code: 'CERTBUS_MANAGER_SECRET_HOST_REFUSED' });
    expect(String(refused)).toContain(`"secretHosts": { "CERTBUS_SECRET_X": ["${host}"] }`);
    expect(String(refused)).toContain(`CERTBUS_SECRET_X_HOSTS=${host}`);
    expect(String(refused)).not.toContain(VALUE);
  },
);

test('all hosts of a use are looked at; a provider with one address of its own needs none', () => {
  expect(() => resolve(['a.test:443', 'b.test:443'], 'a.test')).toThrow(
    /b\.test:443, which this machine does not allow/,
  );
  expect(resolve([])).toBe(VALUE);
});

test('a literal secret goes where the configuration that has it says', () => {
  expect(resolveSecret('literal', env({}), { hosts: ['a.test:443'] })).toBe('literal');
});

test('a secret that is not set is told first', () => {
  expect(() => resolveSecret(secret, env({}), { hosts: ['a.test:443'] })).toThrow(
    expect.objectContaining({ code: 'CERTBUS_MANAGER_SECRET_MISSING' }),
  );
});

const of = (name: string) => ({ env: `CERTBUS_SECRET_${name}` });
const base = {
  version: 1,
  authorities: { ca: { directory: 'https://ca.test/directory', termsOfServiceAgreed: true } },
  defaultAuthority: 'ca',
};
const zones = ['*'];
const account = { fulldomain: 'x.auth.test', subdomain: 'x', username: 'u', password: of('ACME_DNS') };
const keys = { accessKeyId: 'AK', secretAccessKey: of('AWS') };

test.each([
  [
    'powerdns',
    { dns: [{ zones, provider: 'powerdns', url: 'https://a.test:8081', apiKey: of('P') }] },
    [['P', 'a.test:8081']],
  ],
  [
    'acme-dns',
    { dns: [{ zones, provider: 'acme-dns', url: 'https://a.test', accounts: [account, account] }] },
    [['ACME_DNS', 'a.test:443']],
  ],
  [
    'httpreq',
    { dns: [{ zones, provider: 'httpreq', url: 'http://a.test', username: 'u', password: of('H') }] },
    [['H', 'a.test:80']],
  ],
  [
    'rfc2136',
    { dns: [{ zones, provider: 'rfc2136', server: 'ns1.test', key: { name: 'k', secret: of('T') } }] },
    [['T', 'ns1.test:53']],
  ],
  ['cloudflare', { dns: [{ zones, provider: 'cloudflare', token: of('C') }] }, []],
  ['route53', { dns: [{ zones, provider: 'route53', ...keys }] }, []],
  [
    'route53 at another address',
    { dns: [{ zones, provider: 'route53', ...keys, endpoint: 'https://r.test' }] },
    [['AWS', 'r.test:443']],
  ],
  ['S3', { http01: { answer: { s3: { bucket: 'b', ...keys } } } }, []],
  [
    'S3 at another address',
    { http01: { answer: { s3: { bucket: 'b', ...keys, endpoint: 'https://s.test' } } } },
    [['AWS', 's.test:443']],
  ],
  [
    'external account binding',
    { authorities: { ca: { ...base.authorities.ca, eab: { kid: 'k', hmacKey: of('EAB') } } } },
    [['EAB', 'ca.test:443']],
  ],
  ['a literal secret', { dns: [{ zones, provider: 'powerdns', url: 'https://a.test', apiKey: 'literal' }] }, []],
])('the hosts of secrets: %s', (_, part, expected) => {
  const config = parseConfiguration({ ...base, ...part });
  const found = [...secretHosts(config)].flatMap(([name, hosts]) => hosts.map((host) => [name, host]));
  expect(found).toEqual(expected.map(([name, host]) => [`CERTBUS_SECRET_${name}`, host]));
  expect(refusedSecrets(config, () => undefined)).toHaveLength(expected.length);
  expect(refusedSecrets(config, () => expected.map(([, host]) => host).join(' '))).toEqual([]);
});

test.each(['CERTBUS_SECRET_X_HOSTS', 'CERTBUS_SECRET_HOSTS'])('%s is never a secret', (name) => {
  const dns = [{ zones, provider: 'cloudflare', token: { env: name } }];
  expect(() => parseConfiguration({ ...base, dns })).toThrow(/dns\.0\.token/);
});
