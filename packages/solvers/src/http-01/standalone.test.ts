import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { presentedChallenge } from '@certbus/acme';
import { freePort } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { createHttp01StandaloneSolver } from './standalone.ts';

const { signal } = new AbortController();
const challengeFor = (token: string) =>
  presentedChallenge('127.0.0.1', { type: 'http-01', url: '', status: 'pending', token }, 'thumbprint');
const ask = (port: number, token: string, method = 'GET') =>
  fetch(`http://127.0.0.1:${port}/.well-known/acme-challenge/${token}`, { method });

test('answers its own tokens, nothing else, and listens only while there is something to answer', async () => {
  const port = await freePort();
  const solver = createHttp01StandaloneSolver({ port, address: '127.0.0.1' });
  const [one, other] = [challengeFor('one'), challengeFor('other')];
  await solver.present([one, other], { signal });
  await solver.ready([one, other], { signal });
  expect(await (await ask(port, 'one')).text()).toBe('one.thumbprint');
  expect((await ask(port, 'unknown')).status).toBe(404);
  expect((await ask(port, 'one', 'POST')).status).toBe(404);
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404);
  await solver.cleanUp([one], { signal });
  expect((await ask(port, 'one')).status).toBe(404);
  await solver.cleanUp([one, other], { signal });
  await solver.cleanUp([other], { signal });
  await expect(ask(port, 'other')).rejects.toThrow();
});

test('several orders at once share one listener', async () => {
  const port = await freePort();
  const challenges = Array.from({ length: 20 }, (_, n) => challengeFor(`token${n}`));
  await Promise.all(
    challenges.map(async (challenge) => {
      const solver = createHttp01StandaloneSolver({ port, address: '127.0.0.1' });
      await solver.present([challenge], { signal });
      await solver.ready([challenge], { signal });
      await solver.cleanUp([challenge], { signal });
    }),
  );
  await expect(ask(port, 'token0')).rejects.toThrow();
});

test('a port that another program has is told, and free again it is used', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  const solver = createHttp01StandaloneSolver({ port, address: '127.0.0.1' });
  const challenge = challengeFor('one');
  await expect(solver.present([challenge], { signal })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_SOLVER_FAILED',
    message: expect.stringMatching(new RegExp(`port ${port}: another program listens there`)),
  });
  await new Promise((resolve) => other.close(resolve));
  await solver.present([challenge], { signal });
  onTestFinished(() => solver.cleanUp([challenge], { signal }));
  await solver.ready([challenge], { signal });
});

test('with the probe turned off, as behind NAT that does not lead back, it is ready at once', async () => {
  const port = await freePort();
  const solver = createHttp01StandaloneSolver({ probe: false, port: await freePort(), listenPort: port });
  const challenge = challengeFor('behind-nat');
  await solver.present([challenge], { signal });
  onTestFinished(() => solver.cleanUp([challenge], { signal }));
  await solver.ready([challenge], { signal });
  expect(await (await ask(port, 'behind-nat')).text()).toBe('behind-nat.thumbprint');
});

test('a name that leads to another machine is told, without the token', async () => {
  const port = await freePort();
  const elsewhere = await freePort();
  const solver = createHttp01StandaloneSolver({ port: elsewhere, listenPort: port, timeoutMs: 300 });
  const challenge = challengeFor('secret-token');
  await solver.present([challenge], { signal });
  onTestFinished(() => solver.cleanUp([challenge], { signal }));
  const failure = await solver.ready([challenge], { signal }).catch((error: unknown) => error);
  expect(String(failure)).toMatch(/127\.0\.0\.1 cannot be asked \(ECONNREFUSED\).*must lead to this machine/);
  expect(String(failure)).not.toContain('secret-token');
});
