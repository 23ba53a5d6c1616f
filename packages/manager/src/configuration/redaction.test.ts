/** Tests that secrets are shown as `<redacted>`, and kept when that is sent back. */
import { PROVIDERS } from '@certbus/solvers';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mergeRedacted, redactConfiguration } from './redaction.ts';

const one = { zones: ['one.test'], provider: 'cloudflare', token: 'the first' };
const two = { zones: ['two.test'], provider: 'cloudflare', token: 'the second' };
const three = { zones: ['three.test'], provider: 'rfc2136', server: 'ns', key: { name: 'k', secret: 'the third' } };
const byEnv = { zones: ['four.test'], provider: 'cloudflare', token: { env: 'CERTBUS_SECRET_CF' } };
const power = { zones: ['five.test'], provider: 'powerdns', url: 'https://one.test', apiKey: 'the fourth' };
const powerTwo = { zones: ['six.test'], provider: 'powerdns', url: 'https://two.test', apiKey: 'the fifth' };
const account = { fulldomain: 'x.a.test', subdomain: 'x', username: 'u', password: 'the sixth' };
const accountTwo = { fulldomain: 'y.a.test', subdomain: 'y', username: 'v', password: 'the seventh' };
const acmeDns = { zones: ['*'], provider: 'acme-dns', url: 'https://a.test', accounts: [account, accountTwo] };
const s3 = { bucket: 'b', region: 'r', endpoint: 'https://s3.test', accessKeyId: 'id', secretAccessKey: 'the eighth' };
const stored = {
  version: 1,
  authorities: { ca: { directory: 'https://ca.test/dir', contact: [], eab: { kid: 'kid', hmacKey: 'bound' } } },
  dns: [one, two, three, byEnv, power, powerTwo, acmeDns],
  http01: { answer: { s3 }, port: 80 },
};
const shown = redactConfiguration(stored) as typeof stored;
const [hiddenOne, hiddenTwo, , , hiddenPower, hiddenPowerTwo] = shown.dns;

/** The JSON with other values for some fields of the object at a path; `undefined` takes a field away. */
function edit(json: unknown, path: string, change: object): unknown {
  const copy = structuredClone(json);
  const at = path
    .split('.')
    .filter(Boolean)
    .reduce<unknown>((inner, key) => Object(inner)[key], copy);
  Object.assign(Object(at), change);
  return JSON.parse(JSON.stringify(copy));
}

test('literal secrets are shown as <redacted>, names of variables as they are', () => {
  expect(JSON.stringify(shown)).not.toMatch(/the \w+th|the first|the second|the third|bound/);
  expect(shown.dns[3]).toEqual(byEnv);
  expect(shown.authorities.ca.eab).toEqual({ kid: 'kid', hmacKey: '<redacted>' });
});

test('what is sent back as it was shown keeps every secret', () => {
  expect(mergeRedacted(shown, stored)).toEqual(stored);
});

test('a list in another order, or shortened, keeps every secret where it belongs', () => {
  const { dns } = stored;
  expect(mergeRedacted({ dns: shown.dns.toReversed() }, stored)).toEqual({ dns: dns.toReversed() });
  for (const [index, item] of shown.dns.entries())
    expect(mergeRedacted({ dns: [item] }, stored)).toEqual({ dns: [dns[index]] });
  const hidden = redactConfiguration(acmeDns) as typeof acmeDns;
  expect(mergeRedacted({ dns: [{ ...hidden, accounts: hidden.accounts.toReversed() }] }, stored)).toEqual({
    dns: [{ ...acmeDns, accounts: [accountTwo, account] }],
  });
});

test('<redacted> where no secret is stored is refused by its path', () => {
  const added = { zones: ['new.test'], provider: 'cloudflare', token: '<redacted>' };
  expect(() => mergeRedacted({ dns: [...shown.dns, added] }, stored)).toThrow(/dns\.7\.token reads <redacted>/);
  expect(() => mergeRedacted(shown, undefined)).toThrow(
    expect.objectContaining({ code: 'CERTBUS_MANAGER_CONFIG_INVALID' }),
  );
});

test('a server that is edited while another is removed does not get the secret of the other', () => {
  const dns = [{ ...hiddenPowerTwo, url: 'https://new.test' }];
  expect(() => mergeRedacted({ dns }, stored)).toThrow(
    'The configuration is refused: dns.0.apiKey reads <redacted>, but no secret is stored there with the same settings ' +
      '(zones, resolver, nameServers, followAliases do not count). Give the secret, or {"env": "CERTBUS_SECRET_…"}.',
  );
  const kept = { ...hiddenPowerTwo, zones: ['new.test'] };
  expect(mergeRedacted({ dns: [kept] }, stored)).toEqual({ dns: [{ ...powerTwo, zones: ['new.test'] }] });
});

test.each([
  ['the URL of a server', 'dns.4', { url: 'https://thief.test' }, 'dns.4.apiKey'],
  ['the roots that its TLS is checked with', 'dns.4', { roots: 'PEM' }, 'dns.4.apiKey'],
  ['the id of a server', 'dns.4', { serverId: 'other' }, 'dns.4.apiKey'],
  ['the provider', 'dns.2', { provider: 'cloudflare' }, 'dns.2.key.secret'],
  ['the primary server', 'dns.2', { server: 'ns.thief.test' }, 'dns.2.key.secret'],
  ['the name of a key', 'dns.2.key', { name: 'other' }, 'dns.2.key.secret'],
  ['the algorithm of a key', 'dns.2.key', { algorithm: 'hmac-sha512' }, 'dns.2.key.secret'],
  ['the server of an account', 'dns.6', { url: 'https://thief.test' }, 'dns.6.accounts.1.password'],
  ['the name of an account', 'dns.6.accounts.0', { username: 'other' }, 'dns.6.accounts.0.password'],
  ['the place of an account', 'dns.6.accounts.1', { subdomain: 'x' }, 'dns.6.accounts.1.password'],
  ['a field that nobody knows', 'dns.0', { proxy: 'https://thief.test' }, 'dns.0.token'],
  [
    'the endpoint of a bucket',
    'http01.answer.s3',
    { endpoint: 'https://thief.test' },
    'http01.answer.s3.secretAccessKey',
  ],
  ['no endpoint of a bucket', 'http01.answer.s3', { endpoint: undefined }, 'http01.answer.s3.secretAccessKey'],
  ['a bucket', 'http01.answer.s3', { bucket: 'other' }, 'http01.answer.s3.secretAccessKey'],
  ['the region of a bucket', 'http01.answer.s3', { region: 'other' }, 'http01.answer.s3.secretAccessKey'],
  ['the id of a key', 'http01.answer.s3', { accessKeyId: 'other' }, 'http01.answer.s3.secretAccessKey'],
  ['a directory', 'authorities.ca', { directory: 'https://thief.test' }, 'authorities.ca.eab.hmacKey'],
  ['the roots of a CA', 'authorities.ca', { roots: 'PEM' }, 'authorities.ca.eab.hmacKey'],
  ['the id of an external account', 'authorities.ca.eab', { kid: 'other' }, 'authorities.ca.eab.hmacKey'],
  [
    'the name of an authority',
    'authorities',
    { ca: undefined, other: shown.authorities.ca },
    'authorities.other.eab.hmacKey',
  ],
])('%s makes another owner, which is refused by the path of its secret', (_, path, change, refused) => {
  expect(() => mergeRedacted(edit(shown, path, change), stored)).toThrow(`${refused} reads <redacted>`);
});

test.each([
  ['', { version: 2, giveUpAfterDays: 3 }],
  ['dns.4', { zones: ['*'], resolver: ['192.0.2.1'], nameServers: false, followAliases: false }],
  ['dns.6', { zones: ['a.test'] }],
  ['http01', { port: 8080, resolver: ['192.0.2.1'], probe: false }],
  ['authorities', { other: { directory: 'https://other.test' } }],
  [
    'authorities.ca',
    {
      contact: ['mailto:a@b.test'],
      preferredChain: 'X',
      commonName: 'first',
      ifProfileMissing: 'fail',
      staging: 'other',
    },
  ],
])('a field of "%s" that cannot change where secrets are sent keeps them', (path, change) => {
  expect(mergeRedacted(edit(shown, path, change), stored)).toEqual(edit(stored, path, change));
});

test('of several secrets with one owner, each is kept while all its settings are the same', () => {
  const dns = [hiddenTwo, { ...hiddenOne, token: 'another' }, { ...one, zones: ['new.test'] }];
  expect(mergeRedacted({ dns }, stored)).toEqual({
    dns: [two, { ...one, token: 'another' }, { ...one, zones: ['new.test'] }],
  });
  const edited = { ...hiddenTwo, zones: ['two.test', 'new.test'] };
  expect(() => mergeRedacted({ dns: [edited] }, stored)).toThrow(
    'dns.0.token reads <redacted>, but more than one secret there has the same settings (zones, resolver, nameServers, followAliases do not count)',
  );
});

test('two entries of one owner do not share a stored secret, and two that are the same have none', () => {
  const copy = { ...hiddenPower, zones: ['new.test'] };
  expect(() => mergeRedacted({ dns: [hiddenPower, copy] }, stored)).toThrow(/: dns\.1\.apiKey reads <redacted>/);
  expect(() => mergeRedacted({ dns: [hiddenPower, hiddenPower] }, stored)).toThrow(
    /dns\.0\.apiKey .*; dns\.1\.apiKey /,
  );
  const twice = { dns: [power, { ...power, apiKey: 'another' }] };
  expect(() => mergeRedacted(redactConfiguration(twice), twice)).toThrow(/dns\.0\.apiKey .*; dns\.1\.apiKey /);
  expect(() => mergeRedacted({ dns: [hiddenPower] }, twice)).toThrow(
    /dns\.0\.apiKey reads <redacted>, but more than one/,
  );
});

test('a secret that is replaced, or comes from a variable now, does not change whose the others are', () => {
  const account = { ...accountTwo, password: { env: 'CERTBUS_SECRET_Y' } };
  const changed = { ...acmeDns, accounts: [acmeDns.accounts[0], account] };
  expect(mergeRedacted(redactConfiguration({ dns: [changed] }), stored)).toEqual({ dns: [changed] });
  const both = { dns: [{ url: 'https://a.test', token: 'a token', login: { username: 'u', password: 'a password' } }] };
  const [hiddenBoth] = (redactConfiguration(both) as typeof both).dns;
  const replaced = { dns: [{ ...hiddenBoth, token: 'another' }] };
  expect(mergeRedacted(replaced, both)).toEqual({ dns: [{ ...both.dns[0], token: 'another' }] });
  expect(mergeRedacted({ dns: [{ ...byEnv, token: '<redacted>' }] }, stored)).toEqual({ dns: [byEnv] });
});

test.each(PROVIDERS)('no secret of $name is shown', ({ example, fields }) => {
  const secrets = Object.fromEntries(
    fields
      .filter(({ isSecret, name }) => isSecret && !Object.hasOwn(example, name))
      .map(({ name }) => [name, 'in the clear']),
  );
  const inTheClear = JSON.parse(JSON.stringify({ ...example, ...secrets }), (_, value) =>
    typeof value === 'object' && 'env' in value ? 'in the clear' : value,
  );
  const hidden = redactConfiguration({ dns: [inTheClear] });
  expect(JSON.stringify(hidden)).not.toContain('in the clear');
  expect(mergeRedacted(hidden, { dns: [inTheClear] })).toEqual({ dns: [inTheClear] });
});

test('names that objects inherit are names like any other', () => {
  const odd = JSON.parse(
    '{"constructor":{"toString":{"a":1}},"__proto__":{"valueOf":{"b":[2]}},"dns":[{"__proto__":{}}]}',
  );
  expect(JSON.stringify(mergeRedacted(odd, odd))).toBe(JSON.stringify(odd));
  expect(JSON.stringify(redactConfiguration(odd))).toBe(JSON.stringify(odd));
});

const HOSTS = fc.constantFrom('https://a.test', 'https://b.test');
const NAMES = fc.constantFrom('x', 'y');
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const AUTHORITY = fc.record({ directory: HOSTS, contact: fc.array(NAMES, { maxLength: 1 }), kid: NAMES });
const SERVER = fc.record({
  url: HOSTS,
  zones: NAMES,
  roots: maybe(NAMES),
  accounts: fc.array(NAMES, { maxLength: 2 }),
});
const BUCKET = fc.record({ bucket: NAMES, endpoint: maybe(HOSTS), port: maybe(fc.constant(8080)) });

interface Outline {
  readonly authorities: Readonly<Record<string, { directory: string; contact: string[]; kid: string }>>;
  readonly servers: readonly { url: string; zones: string; roots: string | undefined; accounts: string[] }[];
  readonly bucket: { bucket: string; endpoint: string | undefined; port: number | undefined };
}

/** Configurations of which many owners are alike; where another is given, many parts are its own. */
function outlines(like?: Outline): fc.Arbitrary<Outline> {
  const known = like?.servers ?? [];
  return fc.record({
    authorities: fc.dictionary(NAMES, AUTHORITY, { maxKeys: 2 }),
    servers: fc.array(known.length > 0 ? fc.oneof(fc.constantFrom(...known), SERVER) : SERVER, { maxLength: 3 }),
    bucket: like ? fc.oneof(fc.constant(like.bucket), BUCKET) : BUCKET,
  });
}

/** The configuration of an outline, with the secret that each owner is given. */
function configurationOf(
  { authorities, servers, bucket: { port, ...bucket } }: Outline,
  give: (owner: string) => string,
) {
  const json = {
    authorities: Object.fromEntries(
      Object.entries(authorities).map(([name, { kid, ...rest }]) => {
        const hmacKey = give(`EAB ${name} ${rest.directory} ${kid}`);
        return [name, { ...rest, eab: { kid, hmacKey } }];
      }),
    ),
    dns: servers.map(({ accounts, zones, ...server }) => {
      const own = `${server.url} ${server.roots}`;
      return accounts.length > 0
        ? {
            ...server,
            zones,
            accounts: accounts.map((subdomain) => ({ subdomain, password: give(`account ${own} ${subdomain}`) })),
          }
        : { ...server, zones, apiKey: give(`server ${own}`) };
    }),
    http01: {
      port,
      answer: { s3: { ...bucket, secretAccessKey: give(`bucket ${bucket.bucket} ${bucket.endpoint}`) } },
    },
  };
  return JSON.parse(JSON.stringify(json));
}

const PAIRS = outlines().chain((before) => fc.record({ before: fc.constant(before), after: outlines(before) }));

test('whatever is edited, no owner gets the secret of another, and an owner that is there once on both sides keeps its own', () => {
  fc.assert(
    fc.property(PAIRS, ({ before, after }) => {
      const secrets: { owner: string; secret: string }[] = [];
      const stored = configurationOf(before, (owner) => {
        const secret = `${secrets.length} of ${owner}`;
        secrets.push({ owner, secret });
        return secret;
      });
      const owners: string[] = [];
      const next = configurationOf(after, (owner) => {
        owners.push(owner);
        return '<redacted>';
      });
      const storedFor = (name: string) => secrets.filter(({ owner }) => owner === name).map(({ secret }) => secret);
      const isOnce = (owner: string) =>
        storedFor(owner).length === 1 && owners.filter((each) => each === owner).length === 1;
      const given: unknown[] = [];
      const note = (name: string, value: unknown) => {
        if (['hmacKey', 'apiKey', 'password', 'secretAccessKey'].includes(name)) given.push(value);
        return value;
      };
      try {
        JSON.stringify(mergeRedacted(next, stored), note);
      } catch (error) {
        expect(error).toMatchObject({ code: 'CERTBUS_MANAGER_CONFIG_INVALID' });
        expect(owners.every(isOnce)).toBe(false);
        return;
      }
      expect(given).toHaveLength(owners.length);
      for (const [index, owner] of owners.entries()) expect(storedFor(owner)).toContain(given[index]);
    }),
    { numRuns: 300 },
  );
});
