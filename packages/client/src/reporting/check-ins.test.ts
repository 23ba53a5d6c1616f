import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { alarmsOf, newBus, newClient } from '../client.builders.ts';

/** A dead man's switch on loopback. */
async function startSwitch() {
  const asked: (string | undefined)[] = [];
  const state = { status: 200 };
  const server = createServer((request, response) => {
    asked.push(request.url);
    response.writeHead(state.status, { location: '/elsewhere' }).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  return { state, asked, url: `http://127.0.0.1:${port}/secret-path` };
}

test('a server that is in order checks in, and one whose certificates have ended does not', async () => {
  const { asked, url } = await startSwitch();
  const bus = await newBus();
  await bus.issue(['a.test'], { days: 5 });
  let nowMs = Date.now();
  await newClient(bus, { checkIn: { url, everyMs: 20 }, now: () => new Date(nowMs) });
  await expect.poll(() => asked.length).toBeGreaterThan(2);
  expect(new Set(asked)).toEqual(new Set(['/secret-path']));
  nowMs += 6 * 86_400_000;
  // One may be under way.
  await new Promise((resolve) => setImmediate(resolve));
  await expect.poll(() => asked.splice(0).length, { interval: 100 }).toBe(0);
});

test('while something else that it vouches for is not in order it does not check in, and from then on at once', async () => {
  const { asked, url } = await startSwitch();
  const other = { isInOrder: false, looks: 0 };
  const isInOrder = () => {
    other.looks += 1;
    return other.isInOrder;
  };
  // Longer than any test.
  await newClient(await newBus(), { checkIn: { url, everyMs: 2 ** 31 - 1, isInOrder } });
  await expect.poll(() => other.looks).toBeGreaterThan(1);
  expect(asked).toEqual([]);
  other.isInOrder = true;
  await expect.poll(() => asked).toEqual(['/secret-path']);
});

test.each([
  [
    'throws',
    () => {
      throw new Error('the upstream has no address');
    },
    'the upstream has no address',
  ],
  [
    'is asynchronous and rejects',
    async () => {
      throw new Error('not seen');
    },
    'it returned neither true nor false, and a promise is not waited for',
  ],
])('where what it vouches for %s, it does not check in, with one alarm, and serves on', async (_, fails, why) => {
  const { asked, url } = await startSwitch();
  const other = { looks: 0, answer: (): unknown => false };
  const isInOrder = () => {
    other.looks += 1;
    return other.answer() as boolean;
  };
  const client = await newClient(await newBus(), { checkIn: { url, everyMs: 20, isInOrder } });
  const alarms = alarmsOf(client);
  const looksAgain = async () => {
    const before = other.looks;
    await expect.poll(() => other.looks).toBeGreaterThan(before + 1);
  };
  await looksAgain();
  expect(alarms).toEqual([]);
  other.answer = fails;
  await looksAgain();
  const message = `This server does not check in, because "checkIn.isInOrder" failed: ${why}.`;
  expect(alarms).toMatchObject([{ code: 'CERTBUS_CLIENT_CHECK_IN_FAILED', message }]);
  expect(asked).toEqual([]);
  other.answer = () => true;
  await expect.poll(() => asked.length).toBeGreaterThan(0);
});

test('a check-in that fails is one alarm, without the path; no redirect is followed', async () => {
  const { asked, url, state } = await startSwitch();
  state.status = 302;
  const client = await newClient(await newBus(), { checkIn: { url, everyMs: 20 } });
  const alarms = alarmsOf(client);
  await expect.poll(() => asked.length).toBeGreaterThan(3);
  expect(asked).not.toContain('/elsewhere');
  expect(alarms.length).toBeLessThanOrEqual(1);
  state.status = 200;
  const before = asked.length;
  await expect.poll(() => asked.length).toBeGreaterThan(before + 2);
  state.status = 500;
  await expect
    .poll(() => alarms.at(-1)?.message)
    .toMatch(/^This server is in order, but the check-in at 127.0.0.1:\d+ failed: HTTP status 500\.$/);
  expect(alarms.at(-1)).toMatchObject({ code: 'CERTBUS_CLIENT_CHECK_IN_FAILED' });
  expect(JSON.stringify(alarms.map(({ message }) => message))).not.toContain('secret-path');
});

test.each([
  'ftp://in.test/secret-path',
  'secret-path',
  'https://me:secret-path@in.test/',
  { url: 'https://in.test/secret-path', everyMs: 0 },
  { url: 'https://in.test/secret-path', everyMs: 2 ** 31 },
])('the option %j is refused without being shown', async (checkIn) => {
  const start = newClient(await newBus(), { checkIn });
  await expect(start).rejects.toThrow(TypeError);
  await expect(start).rejects.not.toThrow('secret-path');
});
