import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { readAccountKey } from '../account/account-key.ts';
import { generateAccountKey } from '../index.ts';
import { createResourceCalls, type ResourceCalls } from './acme-client.ts';
import type { Answer } from './answer.ts';
import type { SeamHttp } from './transport.ts';

const require = createRequire(import.meta.url);
const signal = new AbortController().signal;
const key = readAccountKey(await generateAccountKey());
const whose = { directory: 'http://ca.test/directory', jwk: key.jwk, signal };

/** Records which members of its HTTP client acme-client touches, and how. */
function createRecorder() {
  const touched = new Set<string>();
  const calls: unknown[][] = [];
  const answer = (status: number): Answer => ({
    status,
    headers: { location: 'http://ca.test/made' },
    data: {},
    retryAfter: undefined,
  });
  const seam: SeamHttp = {
    getResourceUrl: async (resource) => `http://ca.test/${resource}`,
    getMetaField: async () => null,
    async signedRequest(...call) {
      calls.push(call);
      return answer(call[0].endsWith('/newOrder') ? 201 : 200);
    },
  };
  const http = new Proxy(seam, {
    get(target, member) {
      touched.add(String(member));
      return Reflect.get(target, member);
    },
  });
  return { http, touched, calls };
}

test('acme-client 5.4.0 calls its HTTP layer in the way that ours answers', async () => {
  expect(require('acme-client/package.json').version).toBe('5.4.0');
  const { http, touched, calls } = createRecorder();
  const api = createResourceCalls(http, { ...whose, account: { url: undefined } });
  await api.createAccount({ onlyReturnExisting: true });
  await api.createAccount({ termsOfServiceAgreed: true });
  await api.createOrder({ identifiers: [], profile: 'shortlived' });
  await api.read('http://ca.test/order/1');
  await api.answer('http://ca.test/challenge/1');
  await api.finalize('http://ca.test/finalize/1', Uint8Array.of(255, 254));
  await api.updateAccount({ contact: [] });
  await api.readAccount();
  await api.changeKey(key);
  await api.revoke({ certificate: 'x' });
  await api.revoke({ certificate: 'x' }, key);
  await api.findAccount(key);
  const asAccount = { kid: 'http://ca.test/made', includeExternalAccountBinding: false };
  expect(calls).toEqual([
    ['http://ca.test/newAccount', { onlyReturnExisting: true }, { kid: null, includeExternalAccountBinding: false }],
    ['http://ca.test/newAccount', { termsOfServiceAgreed: true }, { kid: null, includeExternalAccountBinding: true }],
    ['http://ca.test/newOrder', { identifiers: [], profile: 'shortlived' }, asAccount],
    ['http://ca.test/order/1', null, asAccount],
    ['http://ca.test/challenge/1', {}, asAccount],
    ['http://ca.test/finalize/1', { csr: '__4' }, asAccount],
    ['http://ca.test/made', { contact: [] }, asAccount],
    ['http://ca.test/made', null, asAccount],
    ['http://ca.test/keyChange', expect.objectContaining({ signature: expect.any(String) }), asAccount],
    ['http://ca.test/revokeCert', { certificate: 'x' }, asAccount],
    ['http://ca.test/revokeCert', { certificate: 'x' }, { kid: null, key }],
    ['http://ca.test/newAccount', { onlyReturnExisting: true }, { kid: null, key }],
  ]);
  expect([...touched].toSorted()).toEqual(['getResourceUrl', 'signedRequest']);
});

test('an account that is not known yet is found by its key before the first request that needs it', async () => {
  const { http, calls } = createRecorder();
  const account = { url: undefined };
  await createResourceCalls(http, { ...whose, account }).read('http://ca.test/order/1');
  expect(calls.map(([url]) => url)).toEqual(['http://ca.test/newAccount', 'http://ca.test/order/1']);
  expect(account.url).toBe('http://ca.test/made');
});

const CALLS: Readonly<Record<string, (api: ResourceCalls) => Promise<unknown>>> = {
  createAccount: (api) => api.createAccount({ termsOfServiceAgreed: true }),
  updateAccount: (api) => api.updateAccount({ contact: [] }),
  readAccount: (api) => api.readAccount(),
  changeKey: (api) => api.changeKey(key),
  createOrder: (api) => api.createOrder({ identifiers: [] }),
  read: (api) => api.read('http://ca.test/order/1'),
  answer: (api) => api.answer('http://ca.test/challenge/1'),
  finalize: (api) => api.finalize('http://ca.test/finalize/1', Uint8Array.of(1)),
  revoke: (api) => api.revoke({ certificate: 'x' }),
};

/** Calls of a known account, all answered with one status. */
function callsAnswered(status: number): ResourceCalls {
  const { http } = createRecorder();
  const headers = { location: 'http://ca.test/made' };
  const seam: SeamHttp = {
    ...http,
    signedRequest: async () => ({ status, headers, data: {}, retryAfter: undefined }),
  };
  return createResourceCalls(seam, { ...whose, account: { url: 'http://ca.test/account/1' } });
}

test.each([
  ['createAccount', [200, 201]],
  ['updateAccount', [200, 202]],
  ['readAccount', [200]],
  ['changeKey', [200]],
  ['createOrder', [201]],
  ['read', [200]],
  ['answer', [200]],
  ['finalize', [200]],
  ['revoke', [200]],
])('%s succeeds with %j alone; any other success is not ACME', async (name, expected) => {
  const attempt = CALLS[name] as (api: ResourceCalls) => Promise<unknown>;
  for (const status of [200, 201, 202, 204, 206]) {
    const outcome = await attempt(callsAnswered(status)).then(
      () => 'accepted',
      (error: { code?: string }) => error.code,
    );
    expect([status, outcome]).toEqual([status, expected.includes(status) ? 'accepted' : 'CERTBUS_ACME_NOT_ACME']);
  }
});

test.each([
  ['/order/1', 'http://ca.test/order/1'],
  ['http://ca.test/order/1', 'http://ca.test/order/1'],
])('the location %s is %s', async (location, expected) => {
  const { http } = createRecorder();
  const seam: SeamHttp = {
    ...http,
    signedRequest: async () => ({ status: 201, headers: { location }, data: {}, retryAfter: undefined }),
  };
  const account = { url: 'http://ca.test/account/1' };
  expect((await createResourceCalls(seam, { ...whose, account }).createOrder({})).url).toBe(expected);
});

test('a location elsewhere is refused, and alternates elsewhere are left out', async () => {
  const { http } = createRecorder();
  const answering = (headers: Record<string, string>): SeamHttp => ({
    ...http,
    signedRequest: async () => ({ status: 201, headers, data: {}, retryAfter: undefined }),
  });
  const account = { url: 'http://ca.test/account/1' };
  const lured = createResourceCalls(answering({ location: 'http://evil.test/order/1' }), { ...whose, account });
  await expect(lured.createOrder({})).rejects.toMatchObject({ code: 'CERTBUS_ACME_NOT_ACME' });
  const link = '<http://evil.test/chain>; rel=alternate, </chain/2>;rel="alternate"';
  const linking = createResourceCalls(answering({ location: '/order/1', link }), { ...whose, account });
  expect((await linking.createOrder({})).alternates).toEqual(['http://ca.test/chain/2']);
});
