import 'reflect-metadata';
import type { webcrypto } from 'node:crypto';
import { createTestBus, type TestBus } from '@certbus/client/testing';
import { createId, createIdentity, parseIdentityFile, seal, sha256 } from '@certbus/events';
import * as x509 from '@peculiar/x509';
import { randomBytes } from './template.ts';

const ALGORITHMS = {
  'P-256': { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  'RSA-2048': {
    name: 'RSASSA-PKCS1-v1_5',
    modulusLength: 2_048,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: 'SHA-256',
  },
} as const;
const DAY_MS = 86_400_000;
const SCT_LIST = '1.3.6.1.4.1.11129.2.4.2';
const SCT_BYTES = 242;
/** Certificates that one commit takes. */
const TOGETHER = 50;

/** What keys a bus has. */
export type BenchKeyType = keyof typeof ALGORITHMS;

/** A certificate of a bus that is made up for a measurement. */
export interface KeyedCertificate {
  readonly name: string;
  /** PEM of leaf and intermediate, as a server sends them. */
  readonly cert: string;
  /** PKCS#8 PEM. */
  readonly key: string;
}

/** A bus whose keys open, with chains of the size that public CAs give. */
export interface KeyedBus {
  readonly bus: TestBus;
  readonly certificates: readonly KeyedCertificate[];
}

const derOf = ({ rawData }: x509.X509Certificate): Buffer => Buffer.from(rawData);

/** Makes certificates for `n0.bench.test` and so on, each key sealed to the load balancers and, before them, a backup. */
export async function createKeyedBus(
  count: number,
  { keyType = 'P-256', address }: { readonly keyType?: BenchKeyType; readonly address?: string } = {},
): Promise<KeyedBus> {
  const bus = await createTestBus(address === undefined ? {} : { address });
  const algorithm = ALGORITHMS[keyType];
  const generate = () =>
    crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>;
  const [authority, keys] = [await generate(), await generate()];
  const [notBefore, notAfter] = [new Date(Date.now() - DAY_MS), new Date(Date.now() + 45 * DAY_MS)];
  const intermediate = await x509.X509CertificateGenerator.create({
    serialNumber: Buffer.from(randomBytes(16)).fill(0x11, 0, 1).toString('hex'),
    issuer: 'C=XX, O=Bench CA, CN=Bench Root',
    subject: 'C=XX, O=Bench CA, CN=B1',
    notBefore,
    notAfter,
    publicKey: authority.publicKey,
    signingKey: authority.privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(authority.publicKey),
    ],
  });
  const issuerHash = sha256(derOf(intermediate));
  await bus.append({ type: 'IssuerAdded', hash: issuerHash, certificate: derOf(intermediate).toString('base64') });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8.match(/.{1,64}/g)?.join('\n')}\n-----END PRIVATE KEY-----\n`;
  const recipientOf = async (text: string) => (await parseIdentityFile(text)).recipient;
  const recipients = [
    { name: 'backup', recipient: await recipientOf(await createIdentity()) },
    { name: 'loadbalancers', recipient: await recipientOf(bus.identity) },
  ];

  async function issue(n: number) {
    const names = [`n${n}.bench.test`, `www.n${n}.bench.test`];
    const leaf = await x509.X509CertificateGenerator.create({
      serialNumber: Buffer.from(randomBytes(16)).fill(0x11, 0, 1).toString('hex'),
      issuer: intermediate.subject,
      subject: `CN=${names[0]}`,
      notBefore,
      notAfter,
      publicKey: keys.publicKey,
      signingKey: authority.privateKey,
      signingAlgorithm: algorithm,
      extensions: [
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1']),
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns' as const, value }))),
        new x509.Extension(SCT_LIST, false, randomBytes(SCT_BYTES)),
      ],
    });
    const event = {
      type: 'CertificateObtained' as const,
      issuanceId: createId(),
      certificateId: createId(),
      reason: 'new' as const,
      names,
      leaf: derOf(leaf).toString('base64'),
      issuers: [issuerHash],
      sealedKey: await seal(key, recipients),
      serialNumber: leaf.serialNumber.toUpperCase(),
      notBefore: notBefore.toISOString(),
      notAfter: notAfter.toISOString(),
      challengeType: 'dns-01' as const,
      directory: 'https://ca.bench.test/directory',
    };
    const cert = `${leaf.toString('pem')}\n${intermediate.toString('pem')}\n`;
    return { event, certificate: { name: names[0] ?? '', cert, key } };
  }

  const certificates: KeyedCertificate[] = [];
  for (let first = 0; first < count; first += TOGETHER) {
    const numbers = Array.from({ length: Math.min(TOGETHER, count - first) }, (_, n) => first + n);
    const issued = await Promise.all(numbers.map(issue));
    await bus.append(...issued.map(({ event }) => event));
    certificates.push(...issued.map(({ certificate }) => certificate));
  }
  return { bus, certificates };
}
