import { expect, test } from 'vitest';
import { AcmeProblemError, findAccountKey, generateAccountKey, registerAccount, rollOverAccountKey } from '../index.ts';
import { at, createFakeCa, say } from '../tests/acme.builders.ts';
import { obtainFor, startStrictCa } from '../tests/strict-ca.builders.ts';
import { NotAcmeAnswerError } from '../wire/answer.ts';

const signal = new AbortController().signal;
const type = 'urn:ietf:params:acme:error:accountDoesNotExist';
const unknown = { type, detail: 'No account has this key', status: 400, subproblems: [] };

async function prepare() {
  const ca = await startStrictCa();
  const old = await ca.openRegistered();
  const { url } = await registerAccount(old, { termsOfServiceAgreed: true, signal });
  return { ...ca, old, url, newAccountKey: await generateAccountKey() };
}

test('the account keeps its URL, the new key orders, the old one does not', async () => {
  const { open, old, url, newAccountKey } = await prepare();
  expect(await rollOverAccountKey(old, { newAccountKey, signal })).toEqual({ url });
  await obtainFor(open({ accountKey: newAccountKey, accountUrl: url }), ['a.test']);
  await expect(obtainFor(old, ['b.test'])).rejects.toMatchObject({ code: 'CERTBUS_ACME_PROBLEM' });
});

test.each(['drop', 'stall'] as const)('an answer that is lost (%s) does not lose the account', async (kind) => {
  const { open, server, url, newAccountKey } = await prepare();
  const old = open({ accountUrl: url, requestTimeoutMs: 3_000 });
  server.faults.inject({ kind, when: 'after' }, { resource: 'keyChange' });
  expect(await rollOverAccountKey(old, { newAccountKey, signal })).toEqual({ url });
  expect(server.requests.filter(({ resource }) => resource === 'keyChange')).toHaveLength(1);
});

test.each([
  ['before', 'old'],
  ['after', 'new'],
] as const)('a crash %s the CA acted leaves two keys, and the %s one is found in force', async (when, which) => {
  const { open, old, url, accountKey, newAccountKey, server } = await prepare();
  const crash = new AbortController();
  server.faults.inject({ kind: 'stall', when }, { resource: 'keyChange' });
  const pending = rollOverAccountKey(old, { newAccountKey, signal: crash.signal });
  const crashed = expect(pending).rejects.toThrow('killed');
  await expect.poll(() => server.requests.some(({ resource }) => resource === 'keyChange')).toBe(true);
  crash.abort(new Error('killed'));
  await crashed;
  const expected = { accountKey: which === 'old' ? accountKey : newAccountKey, url };
  for (const own of [accountKey, newAccountKey]) {
    const ca = open({ accountKey: own, accountUrl: url });
    expect(await findAccountKey(ca, { accountKeys: [newAccountKey, accountKey], accountUrl: url, signal })).toEqual(
      expected,
    );
  }
  // Repeating it is right in both cases.
  expect(await rollOverAccountKey(open({ accountUrl: url }), { newAccountKey, signal })).toEqual({ url });
  expect(await rollOverAccountKey(open(), { newAccountKey, signal })).toEqual({ url });
});

test('a key that has another account is explained, and nothing changes', async () => {
  const { openRegistered, old, url, accountKey, newAccountKey } = await prepare();
  const other = await openRegistered({ accountKey: newAccountKey });
  const { url: otherUrl } = await registerAccount(other, { termsOfServiceAgreed: true, signal });
  await expect(rollOverAccountKey(old, { newAccountKey, signal })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_ACCOUNT_KEY_TAKEN',
    message: expect.stringContaining(otherUrl),
  });
  expect(await findAccountKey(old, { accountKeys: [accountKey], signal })).toEqual({ accountKey, url });
});

test.each([
  ['nobody', new AcmeProblemError(unknown, { attempt: 'Asking', url: at('account') }), 'CERTBUS_ACME_NOT_ACME'],
  ['another account', say({ status: 'valid' }), 'CERTBUS_ACME_ACCOUNT_KEY_TAKEN'],
] as const)('a CA that says yes and gives the new key to %s is not believed', async (_, found, code) => {
  const accountUrl = at('account/2');
  const ca = createFakeCa({ changeKey: [say({})], findAccount: [found] }, { accountUrl });
  const options = { newAccountKey: await generateAccountKey(), signal };
  await expect(rollOverAccountKey(ca, options)).rejects.toMatchObject({ code });
  expect(ca.calls).toEqual(['changeKey', 'findAccount']);
});

test('no key in force is no account, and none is made', async () => {
  const { open, server } = await prepare();
  const accountKeys = [await generateAccountKey(), await generateAccountKey()];
  expect(await findAccountKey(open(), { accountKeys, signal })).toBeUndefined();
  expect(server.requests.filter(({ status }) => status === 201)).toHaveLength(1);
});

test('the same key again is a mistake of the caller', async () => {
  const { old, accountKey } = await prepare();
  await expect(rollOverAccountKey(old, { newAccountKey: accountKey, signal })).rejects.toThrow(TypeError);
});

test.each([
  ['absent', 'its directory has no keyChange'],
  ['not-implemented', 'HTTP 501'],
] as const)('a CA whose key change is %s keeps the key, and is told from one that fails', async (keyChange, why) => {
  const { open, openRegistered, accountKey, server } = await startStrictCa({ keyChange });
  const ca = await openRegistered();
  const newAccountKey = await generateAccountKey();
  for (const _ of Array.from({ length: 6 }))
    await expect(rollOverAccountKey(ca, { newAccountKey, signal })).rejects.toMatchObject({
      code: 'CERTBUS_ACME_KEY_CHANGE_UNSUPPORTED',
      message: expect.stringContaining(why),
    });
  expect(await findAccountKey(ca, { accountKeys: [newAccountKey, accountKey], signal })).toMatchObject({ accountKey });
  await obtainFor(open(), ['kept.test']);
  const asked = server.requests.filter(({ resource }) => resource === 'keyChange');
  expect(asked).toHaveLength(keyChange === 'absent' ? 0 : 6);
});

const answered = (status: number, short: string) =>
  new AcmeProblemError(
    { type: `urn:ietf:params:acme:error:${short}`, detail: '', status, subproblems: [] },
    { attempt: 'Asking', url: at('key-change') },
  );

test.each([
  [answered(501, 'serverInternal'), 'CERTBUS_ACME_KEY_CHANGE_UNSUPPORTED'],
  [answered(400, 'notImplemented'), 'CERTBUS_ACME_KEY_CHANGE_UNSUPPORTED'],
  [answered(404, 'malformed'), 'CERTBUS_ACME_KEY_CHANGE_UNSUPPORTED'],
  [answered(405, 'malformed'), 'CERTBUS_ACME_KEY_CHANGE_UNSUPPORTED'],
  [new NotAcmeAnswerError('no page', 404), 'CERTBUS_ACME_KEY_CHANGE_UNSUPPORTED'],
  [new NotAcmeAnswerError('a page', 200), 'CERTBUS_ACME_NOT_ACME'],
  [answered(404, 'accountDoesNotExist'), 'CERTBUS_ACME_PROBLEM'],
  [answered(403, 'unauthorized'), 'CERTBUS_ACME_PROBLEM'],
  [answered(500, 'serverInternal'), 'CERTBUS_ACME_PROBLEM'],
  [answered(503, 'serverInternal'), 'CERTBUS_ACME_PROBLEM'],
])('%s is %s', async (error, code) => {
  const nobody = answered(400, 'accountDoesNotExist');
  const ca = createFakeCa({ changeKey: [error], findAccount: [nobody] }, { accountUrl: at('account/2') });
  await expect(rollOverAccountKey(ca, { newAccountKey: await generateAccountKey(), signal })).rejects.toMatchObject({
    code,
  });
});
