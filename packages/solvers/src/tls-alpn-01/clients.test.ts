import 'reflect-metadata';
import { createHash, KeyObject } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createSecureContext, createServer, type TlsOptions } from 'node:tls';
import type { PresentedChallenge, Waiting } from '@certbus/acme';
import { presentedChallenge } from '@certbus/acme';
import { reverseNameOf } from '@certbus/acme/solver-kit';
import { Extension, SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';
import { createKeys, startJumpClock } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { startDns } from '../dns/dns.builders.ts';
import { createTlsAlpn01ClientsSolver } from './clients.ts';

const { signal } = new AbortController();
const token = crypto.randomUUID();
const challengeFor = (name: string) =>
  presentedChallenge(name, { type: 'tls-alpn-01', url: '', status: 'pending', token }, 'thumbprint');

interface Deviation {
  readonly names?: readonly string[];
  readonly critical?: boolean;
  readonly keyAuthorization?: string;
  readonly extension?: string;
}

/** A certificate by another hand than the client's, that of RFC 8737 unless it deviates. */
async function certificateFor(
  { name, keyAuthorization }: PresentedChallenge,
  { names = [name], critical = true, extension = '1.3.6.1.5.5.7.1.31', ...other }: Deviation = {},
): Promise<{ cert: string; key: string }> {
  const keys = await createKeys();
  const digest = createHash('sha256')
    .update(other.keyAuthorization ?? keyAuthorization)
    .digest();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=challenge',
    keys,
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 600_000),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [
      new SubjectAlternativeNameExtension(
        names.map((value) => ({ type: /^[\d.]+$|:/.test(value) ? ('ip' as const) : ('dns' as const), value })),
      ),
      new Extension(extension, critical, Buffer.concat([Buffer.from([0x04, 0x20]), digest])),
    ],
  });
  const key = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString();
  return { cert: certificate.toString('pem'), key };
}

async function listen(options: TlsOptions, { address = '127.0.0.1', port = 0 } = {}): Promise<number> {
  const server = createServer(options, (socket) => socket.on('error', () => {}));
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(port, address, resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function solverAt(port: number, addresses: readonly string[], timeoutMs = 400) {
  const dns = await startDns(({ type }) => (type === 'A' ? addresses : []));
  onTestFinished(() => dns[Symbol.asyncDispose]());
  const told: PresentedChallenge[] = [];
  const publish = async (challenges: readonly PresentedChallenge[]) => void told.push(...challenges);
  return { told, solver: createTlsAlpn01ClientsSolver({ port, resolver: [dns.address], timeoutMs, publish }) };
}

const ALPNProtocols = ['http/1.1', 'acme-tls/1'];

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'ready when every address shows the certificate, by %s',
  async (maxVersion) => {
    const challenge = challengeFor('site.test');
    const options = { ...(await certificateFor(challenge)), ALPNProtocols, maxVersion };
    const port = await listen(options);
    const { solver, told } = await solverAt(port, ['127.0.0.1', '127.0.0.2'], 300_000);
    await solver.present([challenge], { signal });
    expect(told).toEqual([challenge]);
    const ready = solver.ready([challenge], { signal });
    setTimeout(() => void listen(options, { address: '127.0.0.2', port }), 300);
    await ready;
    await solver.cleanUp([challenge], { signal });
  },
);

test('an IP address is asked itself, by its reverse name', async () => {
  const challenge = challengeFor('127.0.0.1');
  const asked: string[] = [];
  const context = createSecureContext(await certificateFor(challenge));
  const port = await listen({
    ALPNProtocols,
    SNICallback(name, callback) {
      asked.push(name);
      callback(null, context);
    },
  });
  const { solver } = await solverAt(port, [], 300_000);
  await solver.ready([challenge], { signal });
  expect(asked).toEqual([reverseNameOf('127.0.0.1')]);
});

test.each<[string, Deviation, string[], RegExp]>([
  ['the digest of another challenge', { keyAuthorization: 'other' }, ALPNProtocols, /of another challenge/],
  ['an extension that is not critical', { critical: false }, ALPNProtocols, /not critical/],
  ['no acmeIdentifier', { extension: '1.3.6.1.5.5.7.1.30' }, ALPNProtocols, /without acmeIdentifier/],
  ['another name beside', { names: ['site.test', 'www.site.test'] }, ALPNProtocols, /not for this name alone/],
  ['another name', { names: ['other.test'] }, ALPNProtocols, /not for this name alone/],
  ['the certificate, but another protocol', {}, ['http/1.1'], /cannot be asked \(ERR_SSL/],
])('%s is told at the timeout, without the token', async (_, deviation, protocols, message) => {
  const challenge = challengeFor('site.test');
  const port = await listen({ ...(await certificateFor(challenge, deviation)), ALPNProtocols: protocols });
  const { solver } = await solverAt(port, ['127.0.0.1']);
  const failure = await solver.ready([challenge], { signal }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'CERTBUS_ACME_SOLVER_FAILED', message: expect.stringMatching(message) });
  expect(String(failure)).not.toContain(token);
});

test('a server that speaks no ALPN, and one that is closed, are told', async () => {
  const challenge = challengeFor('site.test');
  const port = await listen(await certificateFor(challenge));
  const { solver } = await solverAt(port, ['127.0.0.1']);
  await expect(solver.ready([challenge], { signal })).rejects.toThrow(/does not speak acme-tls\/1/);
  const { solver: closed } = await solverAt(1, ['127.0.0.1']);
  await expect(closed.ready([challenge], { signal })).rejects.toThrow(
    /site\.test at 127\.0\.0\.1 cannot be asked \(ECONNREFUSED\) for tls-alpn-01 \(port 1\)/,
  );
});

test('an abort ends the waiting', async () => {
  const challenge = challengeFor('site.test');
  const { solver } = await solverAt(1, ['127.0.0.1'], 3_600_000);
  const stop = new AbortController();
  const ready = solver.ready([challenge], { signal: stop.signal });
  setTimeout(() => stop.abort(new Error('enough')), 200);
  await expect(ready).rejects.toThrow('enough');
});

test('with the probe turned off nobody is asked, and clients get time to hear of the challenge', async () => {
  const clock = startJumpClock();
  const told: Waiting[] = [];
  const solver = createTlsAlpn01ClientsSolver({
    publish: async () => {},
    probe: false,
    resolver: ['127.0.0.1:1'],
    clock,
  });
  const start = clock.now().getTime();
  await solver.ready([challengeFor('site.test')], { signal, onWaiting: (waiting) => told.push(waiting) });
  expect(clock.now().getTime() - start).toBe(15_000);
  expect(told).toEqual([{ why: expect.stringContaining('the probe is turned off'), until: new Date(start + 15_000) }]);
});
