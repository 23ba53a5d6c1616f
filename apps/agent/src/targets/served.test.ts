/** What a handshake with a balancer costs, and with which balancers there is one. */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { createSecureContext, createServer, type TlsOptions } from 'node:tls';
import { sha256 } from '@certbus/events';
import { createIssuer, createServerIdentity } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { chainPem, keyPem } from '../pairs/encodings.ts';
import { servedLeaves } from './served.ts';
import { createWanted } from './target.builders.ts';

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

const isKnown = (ecdhCurve: string): boolean => {
  try {
    return createSecureContext({ ecdhCurve }) !== undefined;
  } catch {
    return false;
  }
};

test.each(['X25519', 'P-256', 'P-521', 'X448', 'X25519MLKEM768'].filter(isKnown))(
  'a balancer that takes no other group than %s is asked',
  async (ecdhCurve) => {
    const wanted = await createWanted('a', ['a.test']);
    const pair = await wanted.open();
    const server = createServer({ cert: chainPem(pair), key: keyPem(pair), ecdhCurve }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect((await servedLeaves(address, [pair], signal)).get('a')).toBe(wanted.leafHash);
  },
);

test('a handshake begins without a key of ML-KEM, which is half of its cost', async () => {
  const pair = await (await createWanted('a', ['a.test'])).open();
  const hello = Promise.withResolvers<Buffer>();
  const server = createTcpServer((client) => {
    client
      .on('error', () => {})
      .once('data', (data) => {
        hello.resolve(data);
        client.destroy();
      });
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect(await servedLeaves(address, [pair], signal)).toEqual(new Map());
  const sent = await hello.promise;
  expect(sent.includes('a.test')).toBe(true);
  // A key of ML-KEM-768 alone has 1184 bytes (FIPS 203).
  expect(sent.length).toBeLessThan(1_184);
});
