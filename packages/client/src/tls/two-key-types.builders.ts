import 'reflect-metadata';
import { KeyObject, randomBytes, type webcrypto } from 'node:crypto';
import { createServer } from 'node:tls';
import { connect } from '@certbus/client';
import { createTestBus } from '@certbus/client/testing';
import { parseIdentityFile, seal } from '@certbus/events';
import * as x509 from '@peculiar/x509';

/**
 * A server with an RSA certificate for rsa.test, which is its default, and an ECDSA certificate for ecdsa.test. It prints its
 * port. It runs the built packages, since older Nodes do not read all of the sources.
 */
const bus = await createTestBus();
const { recipient } = await parseIdentityFile(bus.identity);
const HASH = 'SHA-256';

type RsaParams = Omit<webcrypto.RsaHashedKeyGenParams, 'hash'>;

async function give(name: string, algorithm: webcrypto.EcKeyGenParams | RsaParams): Promise<void> {
  const keys = await crypto.subtle.generateKey({ ...algorithm, hash: HASH }, true, ['sign', 'verify']);
  const pair = keys as webcrypto.CryptoKeyPair;
  const leaf = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys: pair,
    signingAlgorithm: { ...algorithm, hash: HASH },
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 86_400_000),
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: name }])],
  });
  const key = KeyObject.from(pair.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString();
  const id = () => randomBytes(8).toString('hex');
  await bus.append({
    type: 'CertificateObtained',
    issuanceId: id(),
    certificateId: id(),
    reason: 'new',
    names: [name],
    leaf: Buffer.from(leaf.rawData).toString('base64'),
    issuers: [],
    sealedKey: await seal(key, [{ name: 'servers', recipient }]),
    serialNumber: '0A',
    notBefore: leaf.notBefore.toISOString(),
    notAfter: leaf.notAfter.toISOString(),
    challengeType: 'dns-01',
    directory: 'https://ca.test/directory',
  });
}

await give('ecdsa.test', { name: 'ECDSA', namedCurve: 'P-256' });
await give('rsa.test', {
  name: 'RSASSA-PKCS1-v1_5',
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
});
const client = await connect({
  bus: bus.bus,
  identity: bus.identity,
  trust: bus.trust,
  replica: ':memory:',
  defaultName: 'rsa.test',
});
const server = client.attach(createServer(client.tlsOptions()));
server
  .on('tlsClientError', () => {})
  .listen(0, '127.0.0.1', () => {
    const address = server.address();
    process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`);
  });
