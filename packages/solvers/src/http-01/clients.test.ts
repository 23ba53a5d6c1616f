import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { presentedChallenge, type Waiting } from '@certbus/acme';
import { startDnsServer } from '@certbus/acme-server';
import { createTlsIdentity, startJumpClock } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { startDns } from '../dns/dns.builders.ts';
import { startSilentServer } from '../dns/silent-server.builders.ts';
import { createHttp01ClientsSolver } from './clients.ts';

const { signal } = new AbortController();
const publish = async () => {};
const token = crypto.randomUUID();
const challenge = presentedChallenge('site.test', { type: 'http-01', url: '', status: 'pending', token }, 'thumbprint');
const right: RequestListener = ({ url }, response) =>
  void response.end(url === `/.well-known/acme-challenge/${token}` ? challenge.keyAuthorization : 'wrong path');

async function listen(address: string, port: number, listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(port, address, resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function solverAt(port: number, addresses: readonly string[], timeoutMs = 2000) {
  const dns = await startDns(({ type, name }) => (type === 'A' && name === 'site.test' ? addresses : []));
  onTestFinished(() => dns[Symbol.asyncDispose]());
  return createHttp01ClientsSolver({ publish, port, resolver: [dns.address], timeoutMs });
}

test("ready when every address answers the challenge's own URL", async () => {
  const hosts: unknown[] = [];
  const listener: RequestListener = (request, response) => {
    hosts.push(request.headers.host);
    right(request, response);
  };
  const port = await listen('127.0.0.1', 0, listener);
  await listen('127.0.0.2', port, listener);
  const solver = await solverAt(port, ['127.0.0.1', '127.0.0.2']);
  await solver.present([challenge], { signal });
  await solver.ready([challenge], { signal });
  expect(hosts).toEqual([`site.test:${port}`, `site.test:${port}`]);
  await solver.cleanUp([challenge], { signal });
});

test('an address that starts to answer is waited for', async () => {
  const port = await listen('127.0.0.1', 0, right);
  const solver = await solverAt(port, ['127.0.0.1', '127.0.0.2'], 300_000);
  const ready = solver.ready([challenge], { signal });
  setTimeout(() => void listen('127.0.0.2', port, right), 300);
  await ready;
});

test.each<[string, RequestListener, RegExp]>([
  [
    'another key authorization',
    (_, response) => void response.end(`${token}.other`),
    /at 127\.0\.0\.1 answers with another text/,
  ],
  ['an error', (_, response) => void response.writeHead(404).end(), /HTTP 404/],
  ['a redirect to nowhere', (_, response) => void response.writeHead(301).end(), /HTTP 301/],
  [
    'a redirect by another scheme',
    (_, response) => void response.writeHead(302, { location: 'ftp://site.test/' }).end(),
    /redirects to ftp:/,
  ],
  [
    'a redirect to a name without address',
    (_, response) => void response.writeHead(302, { location: 'http://nowhere.test/' }).end(),
    /nowhere\.test, which has no address/,
  ],
  [
    'a redirect to itself',
    (_, response) => void response.writeHead(307, { location: '' }).end(),
    /redirects more than 10 times/,
  ],
  ['no end', (_, response) => void response.write('x'.repeat(10_000)), /cannot be asked/],
])('%s is told at the timeout, without the token', async (_, listener, message) => {
  const port = await listen('127.0.0.1', 0, listener);
  const solver = await solverAt(port, ['127.0.0.1'], 500);
  const failure = await solver.ready([challenge], { signal }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'CERTBUS_ACME_SOLVER_FAILED', message: expect.stringMatching(message) });
  expect(String(failure)).not.toContain(token);
});

test('redirects are followed as CAs do, ten of them, to https with any certificate', async () => {
  const { certificate, key } = await createTlsIdentity();
  const tls = createTlsServer({ cert: certificate, key }, right);
  await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void tls.close().closeAllConnections());
  const { port: tlsPort } = tls.address() as AddressInfo;
  const asked: string[] = [];
  const port = await listen('127.0.0.1', 0, ({ url = '' }, response) => {
    asked.push(url);
    const step = Number(/^\/(\d)$/.exec(url)?.[1] ?? 0) + 1;
    const last = `https://other.test:${tlsPort}/.well-known/acme-challenge/${token}`;
    response.writeHead(step % 2 === 0 ? 301 : 308, { location: step > 9 ? last : `/${step}` }).end();
  });
  const dns = await startDns(({ type }) => (type === 'A' ? ['127.0.0.1'] : []));
  onTestFinished(() => dns[Symbol.asyncDispose]());
  const solver = createHttp01ClientsSolver({ publish, port, resolver: [dns.address], timeoutMs: 300_000 });
  await solver.ready([challenge], { signal });
  expect(asked).toHaveLength(10);
});

test('an IP address is asked itself', async () => {
  const port = await listen('127.0.0.1', 0, ({ headers }, response) => {
    expect(headers.host).toBe(`127.0.0.1:${port}`);
    response.end(challenge.keyAuthorization);
  });
  const solver = await solverAt(port, [], 300_000);
  await solver.ready([{ ...challenge, name: '127.0.0.1' }], { signal });
});

test('one address of two that is closed is not enough', async () => {
  const port = await listen('127.0.0.1', 0, right);
  const solver = await solverAt(port, ['127.0.0.1', '127.0.0.3'], 500);
  await expect(solver.ready([challenge], { signal })).rejects.toThrow(/127\.0\.0\.3 cannot be asked \(ECONNREFUSED\)/);
});

test('a name without an address is told', async () => {
  const solver = await solverAt(1, [], 300);
  await expect(solver.ready([challenge], { signal })).rejects.toThrow(/site\.test has no address in DNS/);
});

test('an abort ends the waiting', async () => {
  const port = await listen('127.0.0.1', 0, () => {});
  const solver = await solverAt(port, ['127.0.0.1'], 3_600_000);
  const stop = new AbortController();
  const ready = solver.ready([challenge], { signal: stop.signal });
  setTimeout(() => stop.abort(new Error('enough')), 200);
  await expect(ready).rejects.toThrow('enough');
});

test('a name that leads to more addresses than any has sends nobody to all of them', async () => {
  const dns = await startDnsServer();
  onTestFinished(() => dns[Symbol.asyncDispose]());
  const addresses = Array.from({ length: 65 }, (_, index) => `127.0.1.${index}`);
  const answer = { host: 'site.test', addresses };
  await fetch(`${dns.url}/add-a`, { method: 'POST', body: JSON.stringify(answer) });
  const solver = createHttp01ClientsSolver({ publish, port: 1, resolver: [dns.address], timeoutMs: 500 });
  await expect(solver.ready([challenge], { signal })).rejects.toThrow(/site\.test has \d+ addresses in DNS/);
});

test.each([
  [
    'nothing listens at',
    async () => {
      const dns = await startDns(() => []);
      await dns[Symbol.asyncDispose]();
      return dns.address;
    },
  ],
  [
    'is silent',
    async () => {
      const silent = await startSilentServer();
      onTestFinished(() => silent.stop());
      return silent.address;
    },
  ],
])('a resolver that %s is reported as that, long before the timeout', async (_, start) => {
  const resolver = await start();
  const solver = createHttp01ClientsSolver({ publish, port: 80, resolver: [resolver], timeoutMs: 3_600_000 });
  const message = expect.stringMatching(/^DNS does not answer for site\.test \(E\w+; resolvers: 127\.0\.0\.1:\d+\)/);
  await expect(solver.ready([challenge], { signal })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_SOLVER_FAILED',
    message,
  });
});

test('a name for which DNS fails is not called one without an address', async () => {
  const dns = await startDnsServer();
  onTestFinished(() => dns[Symbol.asyncDispose]());
  dns.fail('site.test', 'SERVFAIL');
  const solver = createHttp01ClientsSolver({ publish, port: 80, resolver: [dns.address], timeoutMs: 1 });
  await expect(solver.ready([challenge], { signal })).rejects.toThrow(/cannot be looked up in DNS \(ESERVFAIL\)/);
});

test('with the probe turned off nothing is looked at, and clients get time to hear of the challenge', async () => {
  const clock = startJumpClock();
  const start = clock.now().getTime();
  const solver = createHttp01ClientsSolver({ publish, probe: false, resolver: ['127.0.0.1:1'], clock });
  await solver.ready([challenge], { signal });
  expect(clock.now().getTime() - start).toBe(15_000);
});

test('what the last look found is reported when it changes, with the end of the wait', async () => {
  const told: Waiting[] = [];
  const clock = startJumpClock();
  let looks = 0;
  const port = await listen('127.0.0.1', 0, (_, response) => {
    looks += 1;
    response.writeHead(looks < 4 ? 404 : 503).end();
  });
  const dns = await startDns(({ type }) => (type === 'A' ? ['127.0.0.1'] : []));
  onTestFinished(() => dns[Symbol.asyncDispose]());
  const solver = createHttp01ClientsSolver({ publish, port, resolver: [dns.address], clock });
  const until = new Date(clock.now().getTime() + 60_000);
  await expect(solver.ready([challenge], { signal, onWaiting: (waiting) => told.push(waiting) })).rejects.toThrow(
    /HTTP 503/,
  );
  expect(told).toEqual([
    { why: 'site.test at 127.0.0.1 answers with HTTP 404', until },
    { why: 'site.test at 127.0.0.1 answers with HTTP 503', until },
  ]);
});

test('of many names that are not ready one is reported, and how many there are', async () => {
  const told: Waiting[] = [];
  const dns = await startDns(() => []);
  onTestFinished(() => dns[Symbol.asyncDispose]());
  const solver = createHttp01ClientsSolver({ publish, port: 1, resolver: [dns.address], clock: startJumpClock() });
  const challenges = ['a.test', 'b.test', 'c.test'].map((name) => ({ ...challenge, name }));
  await expect(solver.ready(challenges, { signal, onWaiting: (waiting) => told.push(waiting) })).rejects.toThrow(
    /has no address/,
  );
  expect(told.map(({ why }) => why)).toEqual([expect.stringMatching(/^[abc]\.test has no address in DNS/)]);
});
