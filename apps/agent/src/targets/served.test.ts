import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type TlsOptions } from 'node:tls';
import { sha256 } from '@certbus/events';
import { createIssuer, createServerIdentity } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { servedLeaves } from './served.ts';

const { signal } = new AbortController();
const leaf = { certificateId: 'one', names: ['a.test'], leafHash: 'expected' };

/** Asks a server that is made with these settings for a name. */
async function ask(settings: TlsOptions): Promise<string | undefined> {
  const server = createServer(settings).on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return (await servedLeaves(address, [leaf], signal)).get('one');
}

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'a server that lets in only clients with a certificate shows its own all the same, by %s',
  async (version) => {
    const { key, cert } = await createServerIdentity();
    const ca = (await createIssuer('Clients')).certificate.toString('pem');
    const settings = { key, cert, ca, requestCert: true, minVersion: version, maxVersion: version };
    expect(await ask(settings)).toBe(sha256(new X509Certificate(cert).raw));
  },
);

test('a server that refuses the name shows none', async () => {
  const { key, cert } = await createServerIdentity();
  const refuse: TlsOptions['SNICallback'] = (_, done) => done(new Error('not here'));
  expect(await ask({ key, cert, SNICallback: refuse })).toBeUndefined();
});
