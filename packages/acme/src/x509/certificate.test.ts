import { createCsr, createIssuer, createLeaf } from 'certbus-services';
import { expect, test } from 'vitest';
import { parseCertificate, publicKeyOfCsr } from './certificate.ts';

const names = ['*.example.test', 'example.test'];
const now = new Date();
const DAY_MS = 86_400_000;
const root = await createIssuer('Root');
const intermediate = await createIssuer('Intermediate', root);
const stranger = await createIssuer('Intermediate', root);
const { csr, keys } = await createCsr(names);
const other = await createCsr(names);

const leafFor = (options: Partial<Parameters<typeof createLeaf>[0]> = {}) =>
  createLeaf({ issuer: intermediate, names, publicKey: keys.publicKey, ...options });
const ours = publicKeyOfCsr(csr);
const acceptKey = (spki: Uint8Array) => Buffer.compare(spki, ours) === 0;
const chainOf = (...certificates: { toString(format: 'pem'): string }[]) =>
  certificates.map((certificate) => certificate.toString('pem')).join('\n');
const refusal = (why: string) =>
  expect.objectContaining({ code: 'CERTBUS_ACME_CERTIFICATE_REFUSED', message: expect.stringContaining(why) });

test('a chain that is as ordered comes back in DER, leaf and issuers apart', async () => {
  const leaf = await leafFor();
  const chain = parseCertificate(chainOf(leaf, intermediate.certificate), { names, acceptKey, now });
  expect(Buffer.from(chain.leaf)).toEqual(Buffer.from(leaf.rawData));
  expect(chain.issuers.map((issuer) => Buffer.from(issuer))).toEqual([Buffer.from(intermediate.certificate.rawData)]);
});

test.each([
  ['an extra name', { names: [...names, 'evil.test'] }, 'evil.test'],
  ['a missing name', { names: ['example.test'] }, 'it is for example.test'],
  ['an address beside the names', { names, ips: ['192.0.2.1'] }, '192.0.2.1'],
  ['a key that is not ours', { publicKey: other.keys.publicKey }, 'key is not ours'],
  ['another issuer than the one that came with it', { issuer: stranger }, 'signed nothing in its chain'],
  ['an end in the past', { notAfter: new Date(now.getTime() - 60_000) }, 'clock'],
  [
    'a start far ahead',
    { notBefore: new Date(now.getTime() + 2 * DAY_MS), notAfter: new Date(now.getTime() + 3 * DAY_MS) },
    'clock',
  ],
])('a leaf with %s is refused', async (_, options, why) => {
  const leaf = await leafFor(options);
  const pem = chainOf(leaf, intermediate.certificate);
  expect(() => parseCertificate(pem, { names, acceptKey, now })).toThrow(refusal(why));
});

test('an older key passes where the caller knows it', async () => {
  const leaf = await leafFor({ publicKey: other.keys.publicKey });
  const accept = (spki: Uint8Array) => Buffer.compare(spki, publicKeyOfCsr(other.csr)) === 0;
  expect(() => parseCertificate(chainOf(leaf), { names, acceptKey: accept, now })).not.toThrow();
});

test.each([
  ['nothing', undefined, 'no certificate'],
  ['a web page', '<html>', 'no certificate'],
  ['a broken block', '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----', 'does not parse'],
])('%s in place of a chain is refused', (_, pem, why) => {
  expect(() => parseCertificate(pem, { names, acceptKey, now })).toThrow(refusal(why));
});

test('an endless chain is refused', async () => {
  const pem = chainOf(await leafFor(), ...Array.from({ length: 10 }, () => intermediate.certificate));
  expect(() => parseCertificate(pem, { names, acceptKey, now })).toThrow(refusal('11 certificates'));
});

test('a chain that came shuffled, twice, and with its root, is put in order without it', async () => {
  const issuing = await createIssuer('Issuing', intermediate);
  const leaf = await leafFor({ issuer: issuing });
  const sent = [root, issuing, intermediate, issuing].map(({ certificate }) => certificate);
  for (const order of [
    [...sent, leaf],
    [leaf, ...sent],
    [...sent.toReversed(), leaf],
  ]) {
    const chain = parseCertificate(chainOf(...order), { names, acceptKey, now });
    expect(Buffer.from(chain.leaf)).toEqual(Buffer.from(leaf.rawData));
    const expected = [issuing, intermediate].map(({ certificate }) => Buffer.from(certificate.rawData));
    expect(chain.issuers.map((issuer) => Buffer.from(issuer))).toEqual(expected);
    expect(chain.rootName).toBe('Root');
  }
});

test('of two certificates for the key of one issuer, one is enough', async () => {
  const other = await createIssuer('Other root');
  const crossSigned = await createIssuer('Intermediate', other, intermediate.keys);
  const leaf = await leafFor();
  const pem = chainOf(leaf, crossSigned.certificate, intermediate.certificate);
  expect(parseCertificate(pem, { names, acceptKey, now })).toMatchObject({ rootName: 'Other root' });
});

test('a leaf that may sign certificates is refused', async () => {
  const authority = await createIssuer('a.test', root, keys);
  expect(() => parseCertificate(chainOf(authority.certificate), { names: [], acceptKey, now })).toThrow(
    refusal('it is a CA itself'),
  );
});

test('names that a CA adds pass where the caller takes them, and missing ones never', async () => {
  const more = await leafFor({ names: [...names, 'www.example.test'] });
  const options = { names, acceptKey, now, acceptExtraNames: true };
  expect(() => parseCertificate(chainOf(more), options)).not.toThrow();
  const less = await leafFor({ names: ['example.test', 'www.example.test'] });
  expect(() => parseCertificate(chainOf(less), options)).toThrow(refusal('it is for'));
});

test('bytes that are no CSR are a mistake of the caller', () => {
  expect(() => publicKeyOfCsr(Buffer.from('-----BEGIN CERTIFICATE REQUEST-----'))).toThrow(TypeError);
});

test('what the look at a key throws is no fault of the chain', async () => {
  const pem = chainOf(await leafFor(), intermediate.certificate);
  const lost = new TypeError('the claim is lost');
  const throwing = () => {
    throw lost;
  };
  expect(() => parseCertificate(pem, { names, acceptKey: throwing, now })).toThrow(lost);
});
