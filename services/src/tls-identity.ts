/** A server certificate for loopback. */
import 'reflect-metadata';
import { createPrivateKey, KeyObject } from 'node:crypto';
import * as x509 from '@peculiar/x509';

/** A server certificate for this machine's loopback addresses, and the root to trust it by. PEM. */
export interface TlsIdentity {
  readonly root: string;
  readonly certificate: string;
  readonly key: string;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** Makes a root and a certificate for localhost; the private keys are new each time. */
export async function createTlsIdentity(): Promise<TlsIdentity> {
  const [rootKeys, keys] = await Promise.all(
    [1, 2].map(() => crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])),
  );
  if (!rootKeys || !keys) throw new TypeError('two key pairs were made');
  const notBefore = new Date(Date.now() - 60_000);
  const notAfter = new Date(Date.now() + 7 * 86_400_000);
  const dates = { notBefore, notAfter, signingAlgorithm: ALGORITHM };
  const root = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: 'CN=CertBus test root',
      keys: rootKeys,
      extensions: [new x509.BasicConstraintsExtension(true, 1, true)],
      ...dates,
    },
    crypto,
  );
  const names = new x509.SubjectAlternativeNameExtension([
    { type: 'dns', value: 'localhost' },
    { type: 'ip', value: '127.0.0.1' },
  ]);
  const leaf = await x509.X509CertificateGenerator.create(
    {
      subject: 'CN=localhost',
      issuer: root.subject,
      publicKey: keys.publicKey,
      signingKey: rootKeys.privateKey,
      extensions: [names, new x509.ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1'])],
      ...dates,
    },
    crypto,
  );
  const key = createPrivateKey(KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }));
  return {
    root: root.toString('pem'),
    certificate: leaf.toString('pem'),
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
