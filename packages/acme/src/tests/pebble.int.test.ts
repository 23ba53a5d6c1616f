import { createCsr, type Pebble, requirePart, startPebble } from 'certbus-services';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  type AcmeOptions,
  certificateId,
  createAcme,
  deactivateAccount,
  findAccountKey,
  generateAccountKey,
  readAccount,
  readDirectory,
  registerAccount,
  renewalInfo,
  revoke,
  rollOverAccountKey,
  updateAccount,
} from '../index.ts';
import { obtainFor } from './strict-ca.builders.ts';

const part = requirePart('pebble');
const { signal } = new AbortController();
const agreed = { termsOfServiceAgreed: true, signal };
const keyOf = (bytes: number) => Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString('base64url');

// What the strict server of this package is held to elsewhere: an independent CA must find it right as well.
describe.skipIf(part.skip)(part.title('against Pebble'), () => {
  let pebble: Pebble;
  const externalAccounts = { 'kid-1': keyOf(32), 'kid-2': keyOf(48), 'kid-3': keyOf(64) };

  beforeAll(async () => {
    pebble = await startPebble({ alwaysValid: true, alternateRoots: 2 });
  });

  afterAll(async () => {
    await pebble?.stop();
  });

  async function open(options: Partial<AcmeOptions> = {}, { directory, roots } = pebble) {
    const accountKey = options.accountKey ?? (await generateAccountKey());
    const ca = createAcme({ directory, roots, ...options, accountKey });
    onTestFinished(() => ca.close());
    return { ca, accountKey };
  }

  async function openRegistered() {
    const { ca, accountKey } = await open();
    return { ca, accountKey, url: (await registerAccount(ca, agreed)).url };
  }

  test('contacts are changed and read, and a deactivated account orders nothing', async () => {
    const { ca, url } = await openRegistered();
    const contact = ['mailto:one@example.com'];
    expect(await updateAccount(ca, { contact, signal })).toMatchObject({ contact });
    expect(await readAccount(ca, { signal })).toEqual({ url, status: 'valid', contact });
    await deactivateAccount(ca, { signal });
    await deactivateAccount(ca, { signal });
    await expect(obtainFor(ca, ['a.test'])).rejects.toMatchObject({ code: 'CERTBUS_ACME_PROBLEM' });
  });

  test('terms that were not agreed to are linked to', async () => {
    const { ca } = await open();
    await expect(registerAccount(ca, { termsOfServiceAgreed: false, signal })).rejects.toMatchObject({
      class: 'operator-action',
    });
  });

  test('a key is rolled over, found in force, and refused where another account has it', async () => {
    const { ca, accountKey, url } = await openRegistered();
    const newAccountKey = await generateAccountKey();
    expect(await findAccountKey(ca, { accountKeys: [newAccountKey, accountKey], signal })).toEqual({ accountKey, url });
    expect(await rollOverAccountKey(ca, { newAccountKey, signal })).toEqual({ url });
    expect(await rollOverAccountKey(ca, { newAccountKey, signal })).toEqual({ url });
    const accountKeys = [accountKey, newAccountKey];
    expect(await findAccountKey(ca, { accountKeys, signal })).toEqual({ accountKey: newAccountKey, url });
    const { ca: rolled } = await open({ accountKey: newAccountKey, accountUrl: url });
    await obtainFor(rolled, ['a.test']);
    const other = await openRegistered();
    await expect(rollOverAccountKey(other.ca, { newAccountKey, signal })).rejects.toMatchObject({
      code: 'CERTBUS_ACME_ACCOUNT_KEY_TAKEN',
    });
  });

  test('a certificate is revoked by its account, or by its own key; twice is once', async () => {
    const { ca } = await openRegistered();
    const first = await obtainFor(ca, ['a.test']);
    expect(await revoke(ca, first.leaf, { reason: 'superseded', signal })).toEqual({ wasRevoked: false });
    expect(await revoke(ca, first.leaf, { reason: 'superseded', signal })).toEqual({ wasRevoked: true });
    const { csr, keys } = await createCsr(['b.test']);
    const second = await obtainFor(ca, ['b.test'], { csr });
    const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
    const certificateKey = `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`;
    const { ca: stranger } = await open();
    const options = { reason: 'keyCompromise', certificateKey, signal } as const;
    expect(await revoke(stranger, second.leaf, options)).toEqual({ wasRevoked: false });
  });

  test('a chain is chosen among several, by the root that it leads to', async () => {
    const { ca } = await openRegistered();
    const { rootName } = await obtainFor(ca, ['a.test']);
    const seen: unknown[] = [];
    const logger = { debug() {}, info() {}, warn: (_: string, fields?: object) => void seen.push(fields), error() {} };
    const { ca: watched } = await open({ logger });
    await registerAccount(watched, agreed);
    const fallback = await obtainFor(watched, ['a.test'], { preferredChain: 'Nobody' });
    expect(fallback).toMatchObject({ rootName, warnings: [expect.stringContaining('Nobody')] });
    const { seen: roots } = seen[0] as { seen: string[] };
    expect(new Set(roots).size).toBe(3);
    const preferredChain = roots.at(-1) ?? '';
    expect(await obtainFor(ca, ['a.test'], { preferredChain })).toMatchObject({
      rootName: preferredChain,
      warnings: [],
    });
  });

  test('every profile that it has can be ordered', async ({ skip }) => {
    const { ca } = await openRegistered();
    const profiles = Object.keys((await readDirectory(ca, { signal })).profiles);
    if (profiles.length === 0) return skip('this Pebble has no profiles');
    for (const profile of profiles) expect((await obtainFor(ca, ['a.test'], { profile })).warnings).toEqual([]);
    const options = { profile: 'gold', ifProfileMissing: 'default' } as const;
    expect((await obtainFor(ca, ['a.test'], options)).warnings).toHaveLength(1);
  });

  test('renewal information that somebody overrides is what the client hears', async ({ skip }) => {
    const { ca } = await openRegistered();
    const { leaf } = await obtainFor(ca, ['a.test']);
    const given = await renewalInfo(ca, leaf, { signal });
    if (!given) return skip('this Pebble has no renewal information');
    const pem = `-----BEGIN CERTIFICATE-----\n${Buffer.from(leaf).toString('base64')}\n-----END CERTIFICATE-----\n`;
    const suggestedWindow = { start: '2020-01-01T00:00:00Z', end: '2020-01-02T00:00:00Z' };
    await pebble.setRenewalInfo(pem, { suggestedWindow, explanationURL: 'https://ca.test/incident' });
    expect(await renewalInfo(ca, leaf, { signal })).toMatchObject({
      start: new Date(suggestedWindow.start),
      end: new Date(suggestedWindow.end),
      explanationUrl: 'https://ca.test/incident',
    });
    await pebble.setRenewalInfo(pem, { suggestedWindow: { start: suggestedWindow.end, end: suggestedWindow.start } });
    await expect(renewalInfo(ca, leaf, { signal })).rejects.toMatchObject({ code: 'CERTBUS_ACME_NOT_ACME' });
    const replaces = certificateId(leaf);
    for (let i = 0; i < 2; i += 1) await obtainFor(ca, ['a.test'], { replaces });
  });

  test('an external account is bound with each algorithm', async () => {
    const strict = await startPebble({ alwaysValid: true, externalAccounts });
    onTestFinished(() => strict.stop());
    for (const [algorithm, kid] of [
      ['HS256', 'kid-1'],
      ['HS384', 'kid-2'],
      ['HS512', 'kid-3'],
    ] as const) {
      const { ca } = await open({ eab: { kid, hmacKey: externalAccounts[kid], algorithm } }, strict);
      expect(await registerAccount(ca, agreed)).toMatchObject({ created: true });
    }
    const { ca: unbound } = await open({}, strict);
    await expect(registerAccount(unbound, agreed)).rejects.toMatchObject({ class: 'operator-action' });
  });
});
