import { expect, test } from 'vitest';
import {
  AcmeProblemError,
  createAcme,
  deactivateAccount,
  generateAccountKey,
  readAccount,
  registerAccount,
  rollOverAccountKey,
  updateAccount,
} from '../index.ts';
import { obtainFor, startStrictCa } from '../tests/strict-ca.builders.ts';
import { parseAccount } from './account.ts';

const never = new AbortController().signal;
const agreed = { termsOfServiceAgreed: true, signal: never };

test('an account is made once and found again, with its contacts', async () => {
  const { open, server } = await startStrictCa();
  const ca = open();
  const made = await registerAccount(ca, { ...agreed, contact: ['mailto:ops@example.com'] });
  expect(made).toMatchObject({ created: true, url: expect.stringContaining(new URL(server.directory).origin) });
  expect(await registerAccount(open(), agreed)).toEqual({ created: false, url: made.url });
  expect(await readAccount(ca, { signal: never })).toEqual({
    url: made.url,
    status: 'valid',
    contact: ['mailto:ops@example.com'],
  });
});

test('contacts are changed, and removed', async () => {
  const { openRegistered } = await startStrictCa();
  const ca = await openRegistered();
  const contact = ['mailto:one@example.com', 'mailto:two@example.com'];
  expect((await updateAccount(ca, { contact, signal: never })).contact).toEqual(contact);
  expect((await updateAccount(ca, { contact: [], signal: never })).contact).toEqual([]);
});

test('a contact that the CA does not take is for the operator to correct', async () => {
  const { openRegistered } = await startStrictCa();
  const error = await updateAccount(await openRegistered(), { contact: ['tel:+1'], signal: never }).catch(
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ class: 'operator-action' });
});

test('a deactivated account orders nothing any more', async () => {
  const { openRegistered } = await startStrictCa();
  const ca = await openRegistered();
  await deactivateAccount(ca, { signal: never });
  await expect(obtainFor(ca, ['a.test'])).rejects.toMatchObject({ class: 'account' });
});

test('a deactivation whose answer was lost is a deactivation', async () => {
  const { openRegistered, server } = await startStrictCa();
  const ca = await openRegistered();
  server.faults.inject({ kind: 'drop', when: 'after' }, { resource: 'account' });
  await deactivateAccount(ca, { signal: never });
  expect(server.requests.filter(({ nonceState }) => nonceState === 'replayed')).toEqual([]);
});

test('a deactivation can be repeated after a crash, and is no success for a key that was rolled over', async () => {
  const { openRegistered, open } = await startStrictCa();
  const ca = await openRegistered();
  const { url } = await registerAccount(ca, agreed);
  const newAccountKey = await generateAccountKey();
  await rollOverAccountKey(ca, { newAccountKey, signal: never });
  await expect(deactivateAccount(open({ accountUrl: url }), { signal: never })).rejects.toThrow();
  const rolled = { accountKey: newAccountKey, accountUrl: url };
  expect(await readAccount(open(rolled), { signal: never })).toMatchObject({ status: 'valid' });
  await deactivateAccount(open(rolled), { signal: never });
  await deactivateAccount(open(rolled), { signal: never });
});

test('terms that were not agreed to are for the operator, with a link to them', async () => {
  const { open } = await startStrictCa({ termsOfService: 'https://ca.test/terms/v2' });
  const error = await registerAccount(open(), { termsOfServiceAgreed: false, signal: never }).catch(
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(AcmeProblemError);
  expect(error).toMatchObject({
    class: 'operator-action',
    page: 'https://ca.test/terms/v2',
    message: expect.stringContaining('https://ca.test/terms/v2'),
  });
});

test('an account that vanished is not made again by itself', async () => {
  const { open, server } = await startStrictCa();
  const gone = `${new URL(server.directory).origin}/account/gone`;
  await expect(obtainFor(open({ accountUrl: gone }), ['a.test'])).rejects.toMatchObject({ class: 'account' });
  await expect(obtainFor(open(), ['a.test'])).rejects.toMatchObject({ class: 'account' });
  await expect(registerAccount(open({ accountUrl: gone }), agreed)).rejects.toMatchObject({ class: 'account' });
  const made = server.requests.filter(({ resource, status }) => resource === 'newAccount' && status === 201);
  expect(made).toEqual([]);
});

test('several CAs and accounts live side by side', async () => {
  const [one, other] = [await startStrictCa(), await startStrictCa()];
  const accountKey = await generateAccountKey();
  const connections = [
    one.open({ accountKey }),
    one.open({ accountKey: await generateAccountKey() }),
    other.open({ accountKey }),
  ];
  const urls = await Promise.all(connections.map(async (ca) => (await registerAccount(ca, agreed)).url));
  expect(new Set(urls).size).toBe(3);
  await Promise.all(connections.map((ca, index) => obtainFor(ca, [`host-${index}.test`])));
  expect(
    one.server
      .certificates()
      .flatMap(({ names }) => names)
      .toSorted(),
  ).toEqual(['host-0.test', 'host-1.test']);
  expect(other.server.certificates().flatMap(({ names }) => names)).toEqual(['host-2.test']);
});

const keyOf = (bytes: number) => Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString('base64url');

test.each([
  ['HS256', 32],
  ['HS384', 48],
  ['HS512', 64],
] as const)('an external account is bound with %s', async (algorithm, bytes) => {
  const hmacKey = keyOf(bytes);
  const { open, server } = await startStrictCa({
    externalAccountRequired: true,
    externalAccounts: [{ kid: 'kid-1', hmacKey }],
  });
  const unbound = await registerAccount(open(), agreed).catch((reason: unknown) => reason);
  expect(unbound).toMatchObject({
    class: 'operator-action',
    problem: { type: expect.stringMatching(/externalAccount/) },
  });
  const ca = open({ eab: { kid: 'kid-1', hmacKey, algorithm } });
  expect(await registerAccount(ca, agreed)).toMatchObject({ created: true });
  // Only the first creation spends the key.
  expect(await registerAccount(open({ eab: { kid: 'kid-1', hmacKey, algorithm } }), agreed)).toMatchObject({
    created: false,
  });
  expect(server.requests.every(({ status = 0 }) => status < 500)).toBe(true);
});

const accountKey = await generateAccountKey();

test.each<[string, Parameters<typeof createAcme>[0]['eab'] & object, RegExp]>([
  ['too short for HS256', { kid: 'k', hmacKey: keyOf(31) }, /32 bytes or more.*has 31/],
  ['too short for HS384', { kid: 'k', hmacKey: keyOf(47), algorithm: 'HS384' }, /48 bytes/],
  ['too short for HS512', { kid: 'k', hmacKey: keyOf(63), algorithm: 'HS512' }, /64 bytes/],
  ['in plain base64', { kid: 'k', hmacKey: `${keyOf(32)}+/` }, /base64 with "\+"/],
  ['no base64 at all', { kid: 'k', hmacKey: `${keyOf(32)} !` }, /not base64url/],
  ['cut off', { kid: 'k', hmacKey: 'A'.repeat(45) }, /cut off/],
  ['without a kid', { kid: '', hmacKey: keyOf(32) }, /kid/],
])('an external account that is %s is refused before any request, without its key', (_, eab, why) => {
  const make = () => createAcme({ directory: 'https://ca.test/directory', accountKey, eab });
  expect(make).toThrow(expect.objectContaining({ code: 'CERTBUS_ACME_EAB_INVALID' }));
  expect(make).toThrow(why);
  expect(make).toThrow(expect.objectContaining({ message: expect.not.stringContaining(eab.hmacKey.slice(0, 8)) }));
});

test('padding at the end of an external key does no harm', () => {
  const eab = { kid: 'k', hmacKey: `${keyOf(32)}=` };
  expect(() => createAcme({ directory: 'https://ca.test/directory', accountKey, eab })).not.toThrow();
});

test.each([[undefined], [null], [[]], [{}], [{ status: 'odd' }], [{ status: 1 }]])('%j is no account', (body) => {
  const resource = { url: 'https://ca.test/a', status: 200, body, retryAfter: undefined };
  expect(() => parseAccount(resource)).toThrow(expect.objectContaining({ code: 'CERTBUS_ACME_NOT_ACME' }));
});
