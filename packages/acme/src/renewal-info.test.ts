import { expect, test } from 'vitest';
import { createIssuer, createKeys, createLeaf } from './certificates.builders.ts';
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

test('an explanation that is no web address is left out', () => {
  const body = { suggestedWindow: window, explanationURL: 'javascript:alert(1)' };
  expect(parseRenewalInfo(resource(body), now)).not.toHaveProperty('explanationUrl');
});

test.each([
  [null],
  [{}],
  [{ suggestedWindow: {} }],
  [{ suggestedWindow: { start: 'tomorrow', end: 'later' } }],
  [{ suggestedWindow: { start: window.end, end: window.start } }],
  [{ suggestedWindow: { start: window.start, end: window.start } }],
])('%j is no renewal information', (body) => {
  expect(() => parseRenewalInfo(resource(body), now)).toThrow(
    expect.objectContaining({ code: 'CERTBUS_ACME_NOT_ACME' }),
  );
});
