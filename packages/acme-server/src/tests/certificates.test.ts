import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { startAcmeServer } from '../index.ts';
import { checkCsr } from '../server/csr.ts';
import { ProblemDocument } from '../server/problem-document.ts';
import { weaknessOf } from '../server/public-key.ts';
import { x509 } from '../server/x509.ts';
import { type Answers, startAnswers } from './answers.builders.ts';
import { certificateId } from './certificate-id.builders.ts';
import { type CsrOptions, createRawCsr } from './csr.builders.ts';
import { chainOf, finalize, issue, order, prove } from './issue.builders.ts';
import { startOwn } from './own.builders.ts';
import { openRawClient, problem, type RawAnswer, type RawClient, toBase64Url } from './raw-client.builders.ts';

const BAD_CSR = { status: 400, type: 'badCSR' };

describe('a CSR', () => {
  let client: RawClient;
  let answers: Answers;

  beforeAll(async () => {
    answers = await startAnswers();
    const { dns, httpPort } = answers;
    const server = await startAcmeServer({ validation: { dnsServer: dns.address, httpPort } });
    client = await openRawClient(server);
    await client.register();
    return async () => {
      client.close();
      await server[Symbol.asyncDispose]();
      await answers[Symbol.asyncDispose]();
    };
  });

  async function ready(...names: string[]): Promise<RawAnswer> {
    const made = await order(client, names);
    await prove(client, answers, made, 'dns-01');
    return made;
  }

  test.each<[string, CsrOptions]>([
    ['P-384', { keyType: 'P-384', hash: 'SHA-384' }],
    ['RSA 2048', { keyType: 2048 }],
    ['RSA 3072', { keyType: 3072 }],
    ['a common name that is one of its names', { commonName: 'csr.test' }],
  ])('with %s is taken', async (_, csr) => {
    expect((await finalize(client, await ready('csr.test'), { names: ['csr.test'], ...csr })).status).toBe(200);
  });

  test.each<[string, CsrOptions]>([
    ['P-521', { keyType: 'P-521', hash: 'SHA-512' }],
    ['RSA 1024', { keyType: 1024 }],
    ['SHA-1', { keyType: 2048, hash: 'SHA-1' }],
    ['an e-mail address', { emails: ['a@csr.test'] }],
    ['another common name', { commonName: 'other.test' }],
    ['Must-Staple', { mustStaple: true }],
  ])('with %s is refused, and the order stays ready', async (_, csr) => {
    const made = await ready('csr.test');
    expect(problem(await finalize(client, made, { names: ['csr.test'], ...csr }))).toEqual(BAD_CSR);
    expect((await client.post(String(made.headers.location))).body.status).toBe('ready');
  });

  test('without alternative names is refused, whatever its common name', async () => {
    expect(problem(await finalize(client, await ready('cn.test'), { commonName: 'cn.test' }))).toEqual(BAD_CSR);
  });

  test('with an address as common name is refused', async () => {
    const made = await order(client, ['127.0.0.1'], { profile: 'shortlived' });
    await prove(client, answers, made, 'http-01');
    const csr = { ips: ['127.0.0.1'], commonName: '127.0.0.1' };
    expect(problem(await finalize(client, made, csr))).toEqual(BAD_CSR);
    expect((await finalize(client, made)).status).toBe(200);
  });

  test('that is not there, or has padding, is malformed', async () => {
    const made = await ready('form.test');
    const { der } = await createRawCsr({ names: ['form.test'] });
    for (const payload of [{}, { csr: 7 }, { csr: der.toString('base64') }, undefined]) {
      const answer = await client.post(String(made.body.finalize), payload);
      expect(problem(answer)).toEqual({ status: 400, type: 'malformed' });
    }
  });
});

test('a CSR with any byte changed is refused, and breaks nothing', async () => {
  const { der } = await createRawCsr({ names: ['flip.test'], commonName: 'flip.test' });
  const identifiers = [{ type: 'dns', value: 'flip.test' } as const];
  await checkCsr(der, identifiers, []);
  for (let at = 0; at < der.length; at += 1) {
    const changed = Buffer.from(der);
    changed[at] = (changed[at] ?? 0) ^ 0x55;
    await expect(checkCsr(changed, identifiers, [])).rejects.toBeInstanceOf(ProblemDocument);
    await expect(checkCsr(der.subarray(0, at), identifiers, [])).rejects.toBeInstanceOf(ProblemDocument);
  }
});

test('weak RSA keys are known', () => {
  const keyOf = (n: bigint, e = 65537n) => {
    const hex = (value: bigint) =>
      value.toString(16).padStart(value.toString(16).length + (value.toString(16).length % 2), '0');
    const bytes = (value: bigint) => toBase64Url(Buffer.from(hex(value), 'hex'));
    return createPublicKey({ key: { kty: 'RSA', n: bytes(n), e: bytes(e) }, format: 'jwk' });
  };
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const { n = '' } = publicKey.export({ format: 'jwk' });
  const modulus = BigInt(`0x${Buffer.from(n, 'base64url').toString('hex')}`);
  expect(weaknessOf(keyOf(modulus))).toBeUndefined();
  expect(weaknessOf(keyOf(modulus, 3n))).toMatch(/exponent/);
  expect(weaknessOf(keyOf(modulus - (modulus % 7n)))).toMatch(/small factor/);
  // Two odd numbers next to each other, with no small factor in either.
  let near = 1n << 1023n;
  const hasSmall = (value: bigint) =>
    [2n, 3n, 5n, 7n, 11n, 13n, 17n, 19n, 23n, 29n, 31n, 37n, 41n, 43n, 47n, 53n, 59n, 61n, 67n, 71n, 73n].some(
      (p) => value % p === 0n,
    );
  near += near / 2n + 1n;
  while (hasSmall(near) || hasSmall(near + 2n)) near += 2n;
  expect(weaknessOf(keyOf(near * (near + 2n)))).toMatch(/too close/);
});

test('a certificate has what RFC 5280 wants and no more: key identifiers, a critical name, no subject', async () => {
  const { client, answers } = await startOwn();
  const { pem } = await issue(client, answers, ['fields.test']);
  const [leaf, intermediate] = chainOf(pem).map((each) => new x509.X509Certificate(new Uint8Array(each.raw)));
  expect(leaf?.subject).toBe('');
  expect(leaf?.getExtension(x509.SubjectAlternativeNameExtension)?.critical).toBe(true);
  expect(leaf?.getExtension(x509.BasicConstraintsExtension)?.ca).toBe(false);
  expect(leaf?.getExtension(x509.ExtendedKeyUsageExtension)?.usages).toEqual(['1.3.6.1.5.5.7.3.1']);
  const keyId = intermediate?.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;
  expect(leaf?.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId).toBe(keyId);
  expect(leaf?.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId).toMatch(/^[0-9a-f]{40}$/);
});

test('serial numbers differ, and some have their top bit set', async () => {
  const { client, answers, server } = await startOwn();
  for (const name of ['one.test', 'two.test', 'three.test']) await issue(client, answers, [name]);
  const issued = server.certificates();
  expect(new Set(issued.map(({ serial }) => serial)).size).toBe(3);
  expect(issued.some(({ serial }) => serial.startsWith('00'))).toBe(true);
  expect(issued.some(({ serial }) => !serial.startsWith('00'))).toBe(true);
  for (const { leaf, serial, certificateId: id } of issued) {
    expect(certificateId(leaf)).toBe(id);
    expect(new X509Certificate(leaf).serialNumber).toBe(serial.replace(/^00/, '').toUpperCase());
  }
});

test('several roots give several chains, over as many intermediates as were asked for', async () => {
  const { client, answers, server } = await startOwn({ roots: 3, intermediates: 2 });
  const { pem, answer, certificateUrl } = await issue(client, answers, ['chains.test']);
  expect(chainOf(pem)).toHaveLength(3);
  const links = [
    ...[answer.headers.link]
      .flat()
      .join(', ')
      .matchAll(/<([^>]+)>;rel="alternate"/g),
  ].map(([, url]) => url);
  expect(links).toHaveLength(2);
  const chains = [pem, ...(await Promise.all(links.map(async (url) => (await client.post(String(url))).text)))];
  const roots = server.issuedRoots.map((root) => new X509Certificate(root));
  for (const [index, text] of chains.entries()) {
    const top = chainOf(text).at(-1);
    expect(roots.map((root) => top?.verify(root.publicKey))).toEqual(roots.map((_, at) => at === index));
  }
  expect((await client.post(`${certificateUrl}/3`)).status).toBe(404);
});

test('an RSA hierarchy signs as well', async () => {
  const { client, answers, server } = await startOwn({ keyAlgorithm: 'rsa', roots: 1 });
  const { pem, answer } = await issue(client, answers, ['rsa.test']);
  const [leaf, intermediate] = chainOf(pem);
  expect(intermediate?.publicKey.asymmetricKeyType).toBe('rsa');
  expect(leaf && intermediate && leaf.verify(intermediate.publicKey)).toBe(true);
  expect(intermediate?.verify(new X509Certificate(server.issuedRoots[0] ?? '').publicKey)).toBe(true);
  expect([answer.headers.link].flat().join()).not.toContain('alternate');
});

describe('revocation', () => {
  const revoke = (by: RawClient, pem: string, more: object = {}) =>
    by.post(by.url('revokeCert'), { certificate: toBase64Url(chainOf(pem)[0]?.raw ?? Buffer.alloc(0)), ...more });

  test('is for an account that holds every name, and not before', async () => {
    const { client, answers, openAccount, server } = await startOwn();
    const { pem } = await issue(client, answers, ['held.test', '*.held.test']);
    const other = await openAccount();
    await issue(other, answers, ['held.test']);
    expect(problem(await revoke(other, pem))).toEqual({ status: 403, type: 'unauthorized' });
    await issue(other, answers, ['*.held.test']);
    expect((await revoke(other, pem, { reason: 5 })).status).toBe(200);
    expect(server.certificates()[0]?.revoked?.reason).toBe(5);
  });

  test.each([2, 3, 6, 7, 10, 11, -1, '1', null])('with reason %j is refused', async (reason) => {
    const { client, answers } = await startOwn();
    const { pem } = await issue(client, answers, ['reason.test']);
    expect(problem(await revoke(client, pem, { reason })).type).toBe('badRevocationReason');
    expect((await revoke(client, pem, { reason: 1 })).status).toBe(200);
  });

  test('of a certificate that is not from here is refused', async () => {
    const { client, answers } = await startOwn();
    const { pem } = await issue(client, answers, ['leaf.test']);
    const [, intermediate = ''] = pem.split(/(?<=END CERTIFICATE-----\n)\n/);
    expect((await revoke(client, intermediate)).status).toBe(404);
  });
});
