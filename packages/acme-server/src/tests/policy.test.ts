import { expect, test } from 'vitest';
import { identifier, order } from './issue.builders.ts';
import { startOwn } from './own.builders.ts';
import { bindRaw, createRawKey, openRawClient, problem, signRaw } from './raw-client.builders.ts';

const MALFORMED = { status: 400, type: 'malformed' };

test('the directory tells terms, website, CAA names, profiles, and a name that nobody knows', async () => {
  const { server, client } = await startOwn({ caaIdentities: ['ca.example'], website: 'https://ca.example/' });
  const names = ['newNonce', 'newAccount', 'newOrder', 'revokeCert', 'keyChange', 'renewalInfo', 'meta'];
  const directory = client.directory();
  expect(Object.keys(directory)).toEqual(expect.arrayContaining(names));
  expect(Object.keys(directory)).toHaveLength(names.length + 1);
  expect(directory['meta']).toMatchObject({
    termsOfService: 'https://ca.test/terms',
    website: 'https://ca.example/',
    caaIdentities: ['ca.example'],
    externalAccountRequired: false,
    profiles: { classic: expect.any(String), tlsserver: expect.any(String), shortlived: expect.any(String) },
  });
  expect(server.directory).toMatch(/^https:\/\/127\.0\.0\.1:\d+\/directory$/);
});

test.each([
  ['not-implemented', true, { status: 501, type: 'notImplemented' }],
  ['absent', false, { status: 404, type: 'malformed' }],
] as const)('a CA whose key change is %s keeps the key of an account', async (keyChange, isNamed, refused) => {
  const { server, client } = await startOwn({ keyChange });
  expect('keyChange' in client.directory()).toBe(isNamed);
  const url = `${new URL(server.directory).origin}/acme/key-change`;
  expect(problem(await client.post(url, {}))).toEqual(refused);
  expect((await order(client, ['kept.test'])).status).toBe(201);
});

test('without terms nobody has to agree', async () => {
  const { server } = await startOwn({ termsOfService: null });
  const client = await openRawClient(server);
  expect((await client.register({})).status).toBe(201);
  client.close();
});

test('new terms hold up orders until somebody has agreed', async () => {
  const { server, client, openAccount } = await startOwn();
  server.changeTerms('https://ca.test/terms-2');
  const refused = await order(client, ['terms.test']);
  expect(problem(refused)).toEqual({ status: 403, type: 'userActionRequired' });
  expect(refused.body).toMatchObject({ instance: expect.stringMatching(/^https:/) });
  expect([refused.headers.link].flat().join()).toContain('<https://ca.test/terms-2>;rel="terms-of-service"');
  expect((await order(await openAccount(), ['terms.test'])).status).toBe(201);
  server.agreeToTerms(client.account);
  expect((await order(client, ['terms.test'])).status).toBe(201);
});

test.each([
  ['localhost', 'one label'],
  ['*.test', 'a wildcard for a top-level domain'],
  ['a.123', 'a number at the end'],
  ['-a.test', 'a hyphen in front'],
  ['a-.test', 'a hyphen behind'],
  ['ab--c.test', 'two hyphens where A-labels have them'],
  ['xn--zzzzzzzz999.test', 'an A-label that is none'],
  [`${'a'.repeat(64)}.test`, 'a label that is too long'],
  ['a..test', 'an empty label'],
  ['a.b.c.d.e.f.g.h.i.j.test', 'too many labels'],
  ['*a.test', 'an asterisk that is not a whole label'],
])('the name %s is malformed: %s', async (name) => {
  const { client } = await startOwn();
  expect(problem(await client.post(client.url('newOrder'), { identifiers: [{ type: 'dns', value: name }] }))).toEqual(
    MALFORMED,
  );
});

test('an A-label that is one is ordered, names lose their case and their doubles', async () => {
  const { client } = await startOwn();
  const made = await order(client, ['xn--bcher-kva.test', 'A.test', 'a.test']);
  expect(made.status).toBe(201);
  expect(made.body.identifiers?.map(({ value }) => value)).toEqual(['xn--bcher-kva.test', 'a.test']);
});

test('a name that a wildcard of the same order covers is redundant', async () => {
  const { client } = await startOwn();
  expect(problem(await order(client, ['*.covered.test', 'www.covered.test']))).toEqual(MALFORMED);
  expect((await order(client, ['*.covered.test', 'covered.test', 'a.b.covered.test'])).status).toBe(201);
});

test('an order has as many names as its profile allows', async () => {
  const { client } = await startOwn();
  const names = Array.from({ length: 101 }, (_, index) => `n${index}.test`);
  expect(problem(await order(client, names))).toEqual(MALFORMED);
  expect((await order(client, names.slice(1))).status).toBe(201);
  expect(problem(await order(client, names.slice(0, 26), { profile: 'tlsserver' }))).toEqual(MALFORMED);
  expect((await order(client, names.slice(0, 25), { profile: 'tlsserver' })).status).toBe(201);
});

test('an address needs a profile that has addresses, and its one right spelling', async () => {
  const { client } = await startOwn();
  const ask = (value: string) =>
    client.post(client.url('newOrder'), { identifiers: [identifier(value)], profile: 'shortlived' });
  expect(problem(await order(client, ['127.0.0.1']))).toEqual(MALFORMED);
  expect((await ask('127.0.0.1')).status).toBe(201);
  expect((await ask('2001:db8::1')).status).toBe(201);
  expect(problem(await ask('2001:db8:0::1'))).toEqual(MALFORMED);
  expect(problem(await ask('fe80::1%eth0'))).toEqual(MALFORMED);
});

test.each([
  ['notBefore', { notBefore: '2026-01-01T00:00:00Z' }],
  ['notAfter', { notAfter: '2027-01-01T00:00:00Z' }],
  ['a profile that is no text', { profile: 7 }],
  ['replaces that is no text', { replaces: 7 }],
])('an order with %s is malformed', async (_, more) => {
  const { client } = await startOwn();
  expect(problem(await order(client, ['dates.test'], more))).toEqual(MALFORMED);
});

test('every forbidden name of an order has a problem of its own', async () => {
  const { client } = await startOwn({ blockedNames: ['bad.test'] });
  const answer = await order(client, ['good.test', 'bad.test', '*.www.bad.test']);
  expect(problem(answer)).toEqual({ status: 400, type: 'rejectedIdentifier' });
  expect(answer.body.subproblems?.map((each) => each.identifier.value)).toEqual(['bad.test', '*.www.bad.test']);
});

test('challenges come in an order that nobody can rely on, and only those that are offered', async () => {
  const { client } = await startOwn({ challengeTypes: ['dns-01', 'http-01'] });
  const names = Array.from({ length: 30 }, (_, index) => `s${index}.test`);
  const made = await order(client, names);
  const all = await Promise.all((made.body.authorizations ?? []).map((url) => client.post(url)));
  const orders = new Set(all.map(({ body }) => body.challenges?.map(({ type }) => type).join()));
  expect([...orders].toSorted()).toEqual(['dns-01,http-01', 'http-01,dns-01']);
});

test('dns-persist-01 has no token, but the names of the CA', async () => {
  const { client } = await startOwn({ caaIdentities: ['ca.example'] });
  const made = await order(client, ['persist.test']);
  const { body } = await client.post(String(made.body.authorizations?.[0]));
  const persist = body.challenges?.find(({ type }) => type === 'dns-persist-01');
  expect(persist).toMatchObject({ 'issuer-domain-names': ['ca.example'] });
  expect(persist).not.toHaveProperty('token');
});

test('a key that has an account is no new key, and the answer says whose it is', async () => {
  const { client, openAccount } = await startOwn();
  const other = await openAccount();
  const url = client.url('keyChange');
  const { alg, jwk } = other.key;
  const inner = signRaw(other.key, { alg, jwk, url }, { account: client.account, oldKey: client.key.jwk });
  expect(await client.post(url, inner)).toMatchObject({ status: 409, headers: { location: other.account } });
});

test('an inner JWS with a nonce is malformed', async () => {
  const { client } = await startOwn();
  const [url, key] = [client.url('keyChange'), createRawKey()];
  const header = { alg: key.alg, jwk: key.jwk, url, nonce: await client.nonce() };
  const inner = signRaw(key, header, { account: client.account, oldKey: client.key.jwk });
  expect(problem(await client.post(url, inner))).toEqual(MALFORMED);
});

test.each([
  ['ES512', 400],
  ['EdDSA', 201],
])('a %s key is answered with %i', async (alg, status) => {
  const { server } = await startOwn();
  const client = await openRawClient(server, createRawKey(alg));
  expect((await client.register()).status).toBe(status);
  client.close();
});

test('an external account takes one account', async () => {
  const hmacKey = Buffer.alloc(32, 3).toString('base64url');
  const { server } = await startOwn({ externalAccounts: [{ kid: 'k', hmacKey }] });
  const statuses: number[] = [];
  for (let tries = 0; tries < 2; tries += 1) {
    const client = await openRawClient(server);
    const externalAccountBinding = bindRaw(client.key.jwk, { kid: 'k', hmacKey, url: client.url('newAccount') });
    statuses.push((await client.register({ termsOfServiceAgreed: true, externalAccountBinding })).status);
    client.close();
  }
  expect(statuses).toEqual([201, 403]);
});
