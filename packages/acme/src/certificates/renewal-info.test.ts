import type { Fault } from '@certbus/acme-server';
import { createIssuer, createKeys, createLeaf } from 'certbus-services';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { generateAccountKey, renewalInfo } from '../index.ts';
import { obtainFor, startStrictCa } from '../tests/strict-ca.builders.ts';
import { parseRetryAfter } from '../wire/retry-after.ts';
import { certificateId, parseRenewalInfo } from './renewal-info.ts';

// RFC 9773 appendix A.
const EXAMPLE = `MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK`;

test('the published example has the published identifier', () => {
  expect(certificateId(Buffer.from(EXAMPLE, 'base64'))).toBe('aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE');
});

test.each([
  ['with its top bit set keeps the zero byte', '0087654321', 'AIdlQyE'],
  ['of one byte', '07', 'Bw'],
  ['of sixteen bytes', '7fffffffffffffffffffffffffffffff', 'f____________________w'],
])('a serial number %s', async (_, serialNumber, expected) => {
  const issuer = await createIssuer('Root');
  const { publicKey } = await createKeys();
  const leaf = await createLeaf({ issuer, names: ['a.test'], publicKey, serialNumber });
  const [, serial] = certificateId(new Uint8Array(leaf.rawData)).split('.');
  expect(serial).toBe(expected);
});

test('bytes that are no certificate have no identifier', async () => {
  expect(() => certificateId(Uint8Array.of(0x30, 0x82, 0xff))).toThrow(TypeError);
  const { certificate } = await createIssuer('Root without authority key identifier');
  expect(() => certificateId(new Uint8Array(certificate.rawData))).toThrow(/authority key identifier/);
});

const now = new Date('2026-11-23T12:00:00Z');
const window = { start: '2026-12-01T00:00:00Z', end: '2026-12-02T00:00:00Z' };
const resource = (body: unknown, retryAfter?: Date) => ({
  url: 'https://ca.test/ari/x',
  status: 200,
  body,
  retryAfter,
});

test('a window is read with its explanation', () => {
  const body = { suggestedWindow: window, explanationURL: 'https://ca.test/why' };
  expect(parseRenewalInfo(resource(body, new Date('2026-11-23T18:00:00Z')), now)).toEqual({
    start: new Date(window.start),
    end: new Date(window.end),
    retryAt: new Date('2026-11-23T18:00:00Z'),
    explanationUrl: 'https://ca.test/why',
  });
});

test.each([
  ['six hours when the CA does not say', undefined, '2026-11-23T18:00:00Z'],
  ['no sooner than a minute', '2026-11-23T12:00:01Z', '2026-11-23T12:01:00Z'],
  ['no later than a day', '2026-11-30T12:00:00Z', '2026-11-24T12:00:00Z'],
])('the next question comes after %s', (_, asked, expected) => {
  const retryAfter = asked ? new Date(asked) : undefined;
  expect(parseRenewalInfo(resource({ suggestedWindow: window }, retryAfter), now).retryAt).toEqual(new Date(expected));
});

test.each([
  ['no web address', 'javascript:alert(1)'],
  ['too long to be shown', `https://ca.test/${'x'.repeat(2_000)}`],
  ['too long once it is written as an address', `https://ca.test/${'€'.repeat(900)}`],
])('an explanation that is %s is left out', (_, explanationURL) => {
  const body = { suggestedWindow: window, explanationURL };
  expect(parseRenewalInfo(resource(body), now)).not.toHaveProperty('explanationUrl');
});

test.each([
  [null],
  [{}],
  [{ suggestedWindow: {} }],
  [{ suggestedWindow: { start: 'tomorrow', end: 'later' } }],
  [{ suggestedWindow: { start: window.end, end: window.start } }],
  [{ suggestedWindow: { start: window.start, end: window.start } }],
  // Behind the last year that an event can have.
  [{ suggestedWindow: { start: window.start, end: '9999-12-31T23:59:59-01:00' } }],
])('%j is no renewal information', (body) => {
  expect(() => parseRenewalInfo(resource(body), now)).toThrow(
    expect.objectContaining({ code: 'CERTBUS_ACME_NOT_ACME' }),
  );
});

test('whatever the CA writes, the next question lies between a minute and a day ahead, and the window makes sense', () => {
  const instants = fc.date({ min: new Date('1900-01-01'), max: new Date('2200-01-01'), noInvalidDate: true });
  const texts = fc.oneof(
    instants.map((date) => date.toISOString()),
    fc.string(),
    fc.constant(undefined),
  );
  const headers = fc.oneof(
    fc.nat().map(String),
    fc.bigInt().map(String),
    instants.map((date) => date.toUTCString()),
    fc.string(),
    fc.constant(undefined),
  );
  fc.assert(
    fc.property(instants, headers, texts, texts, (at, header, start, end) => {
      const retryAfter = parseRetryAfter(header, at);
      const asked = { url: 'https://ca.test/ari', status: 200, body: { suggestedWindow: { start, end } }, retryAfter };
      let info: ReturnType<typeof parseRenewalInfo>;
      try {
        info = parseRenewalInfo(asked, at);
      } catch (error) {
        expect(error).toMatchObject({ code: 'CERTBUS_ACME_NOT_ACME' });
        return;
      }
      expect(info.start.getTime()).toBeLessThan(info.end.getTime());
      const aheadMs = info.retryAt.getTime() - at.getTime();
      expect(aheadMs).toBeGreaterThanOrEqual(60_000);
      expect(aheadMs).toBeLessThanOrEqual(86_400_000);
    }),
    { numRuns: 5000 },
  );
});

test.each<[string, Fault | undefined, unknown]>([
  ['that is not JSON', { kind: 'html', status: 200 }, undefined],
  [
    'with a window that ends before it starts',
    undefined,
    { suggestedWindow: { start: window.end, end: window.start } },
  ],
  ['that is a list', undefined, []],
])('renewal information %s is one typed error', async (_, fault, override) => {
  const { openRegistered, server } = await startStrictCa();
  const ca = await openRegistered();
  const { leaf } = await obtainFor(ca, ['a.test']);
  if (fault) server.faults.inject(fault, { resource: 'renewalInfo' });
  if (override !== undefined) server.overrideRenewalInfo(certificateId(leaf), override);
  const { signal } = new AbortController();
  await expect(renewalInfo(ca, leaf, { signal })).rejects.toMatchObject({ code: 'CERTBUS_ACME_NOT_ACME' });
});

test('a renewal names what it replaces, once; where the CA knows it is replaced already, it goes without', async () => {
  const { openRegistered, server } = await startStrictCa();
  const ca = await openRegistered();
  const { signal } = new AbortController();
  const first = await obtainFor(ca, ['a.test']);
  expect(await renewalInfo(ca, first.leaf, { signal })).toMatchObject({ start: expect.any(Date) });
  const replaces = certificateId(first.leaf);
  for (let i = 0; i < 2; i += 1) await obtainFor(ca, ['a.test'], { replaces });
  const orders = server.requests.filter(({ resource }) => resource === 'newOrder').slice(1);
  expect(orders.map(({ payload, status }) => [Object.hasOwn(Object(payload), 'replaces'), status])).toEqual([
    [true, 201],
    [true, 409],
    [false, 201],
  ]);
});

test.each([
  ['another CA', async () => (await startStrictCa()).openRegistered()],
  ['another account', undefined],
])('a certificate of %s cannot be replaced, and is renewed all the same', async (_, elsewhere) => {
  const { openRegistered, server } = await startStrictCa();
  const issuedBy = elsewhere ? await elsewhere() : await openRegistered({ accountKey: await generateAccountKey() });
  const { leaf } = await obtainFor(issuedBy, ['a.test']);
  await obtainFor(await openRegistered(), ['a.test'], { replaces: certificateId(leaf) });
  const orders = server.requests.filter(({ resource }) => resource === 'newOrder').slice(elsewhere ? 0 : 1);
  expect(orders).toHaveLength(2);
  expect(orders[0]?.payload).toHaveProperty('replaces');
  expect(orders[1]?.payload).not.toHaveProperty('replaces');
});
