import { closeSync, openSync, readdirSync, statSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createIdentity } from '@certbus/events';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { alarmsOf, madeUp, newBus, newClient } from './client.builders.ts';

const DAY_MS = 86_400_000;
const folder = temporaryFolder();
afterAll(() => folder.remove());

test('a server is ready on a bus without certificates, and while any of them has not ended', async () => {
  const bus = await newBus();
  let nowMs = Date.now();
  const client = await newClient(bus, { now: () => new Date(nowMs) });
  const alarms = alarmsOf(client);
  expect(client.health()).toMatchObject({ ready: true, live: true, offlineBudgetMs: undefined, trouble: undefined });
  await bus.issue(['short.test'], { days: 5 });
  await bus.issue(['long.test'], { days: 90 });
  await expect.poll(() => client.health().certificates.served).toBe(2);
  expect(client.health()).toMatchObject({ ready: true, certificates: { expired: 0, endingWithin7Days: 1 } });
  nowMs += 6 * DAY_MS;
  expect(client.health()).toMatchObject({ ready: true, certificates: { expired: 1, endingWithin7Days: 0 } });
  expect(alarms).toEqual([]);
  nowMs += 90 * DAY_MS;
  expect(client.health()).toMatchObject({ ready: false, certificates: { expired: 2 }, offlineBudgetMs: undefined });
  await expect.poll(() => alarms).toMatchObject([{ code: 'CERTBUS_CLIENT_ALL_EXPIRED' }]);
});

test('the only certificate of a server that has ended is counted as one', async () => {
  const bus = await newBus();
  const client = await newClient(bus, { now: () => new Date(Date.now() + 6 * DAY_MS) });
  const alarms = alarmsOf(client);
  await bus.issue(['short.test'], { days: 5 });
  const message = expect.stringMatching(/^The only certificate of this server has ended by its clock/);
  await expect.poll(() => alarms).toMatchObject([{ code: 'CERTBUS_CLIENT_ALL_EXPIRED', message }]);
});

test('a clock that is behind the newest commit is an alarm, once, and again where it happens again', async () => {
  const bus = await newBus();
  let nowMs = Date.now();
  const client = await newClient(bus, { now: () => new Date(nowMs) });
  const alarms = alarmsOf(client);
  const look = async (jumpMs: number, count: number) => {
    nowMs += jumpMs;
    await bus.issue([`${count}.test`]);
    await expect.poll(() => client.health().certificates.served).toBe(count);
  };
  await look(0, 1);
  await look(-30 * DAY_MS, 2);
  await look(0, 3);
  expect(alarms).toMatchObject([
    { code: 'CERTBUS_CLIENT_CLOCK_BEHIND', message: expect.stringContaining('43200 minutes') },
  ]);
  await look(30 * DAY_MS, 4);
  await look(-DAY_MS, 5);
  expect(alarms).toHaveLength(2);
});

test.each(['serve', 'refuse'] as const)('certificates that have ended: %s', async (expired) => {
  const bus = await newBus();
  await bus.issue(['a.test'], { days: 5 });
  let nowMs = Date.now();
  const client = await newClient(bus, { now: () => new Date(nowMs), expired });
  expect(await client.secureContextFor('a.test')).toBeDefined();
  nowMs += 6 * DAY_MS;
  expect((await client.secureContextFor('a.test')) !== undefined).toBe(expired === 'serve');
});

test('the lists are bounded, with their counts beside them, and so are the events about names', async () => {
  const bus = await newBus();
  const client = await newClient({ ...bus, identity: await createIdentity() });
  const missing: { readonly serverName: string; readonly leftOut: number }[] = [];
  client.on('missing', (event) => missing.push(event));
  const ask = (name: string) => new Promise((resolve) => client.sniCallback(name, resolve));
  for (let n = 0; n < 150; n += 1) await ask(`${n}.test`);
  const { missingNameCount, missingNames } = client.health();
  expect([missingNameCount, missingNames.length, missingNames.at(-1)]).toEqual([150, 100, '149.test']);
  expect(missing).toEqual(Array.from({ length: 10 }, (_, n) => ({ serverName: `${n}.test`, leftOut: 0 })));
  const alarms = alarmsOf(client);
  for (let n = 0; n < 3; n += 1) await bus.issue([`${n}.test`]);
  await expect.poll(() => client.health().certificates.served).toBe(3);
  for (let n = 0; n < 3; n += 1) await ask(`${n}.test`);
  expect(client.health()).toMatchObject({ unopenedKeyCount: 3, unopenedKeys: { length: 3 } });
  expect(alarms).toMatchObject([
    { code: 'CERTBUS_CLIENT_NO_KEY_OPENS', message: expect.stringContaining('3 certificates') },
  ]);
});

test('nothing throws after the client was closed, nor with a damaged replica', async () => {
  const bus = await newBus();
  await bus.issue(['a.test']);
  const client = await newClient(bus, { stateDirectory: folder.path });
  const { certificates, position } = client.health();
  const [file = ''] = readdirSync(folder.path).filter((name) => /^client-\w+\.db$/.test(name));
  const path = join(folder.path, file);
  const damage = openSync(path, 'r+');
  writeSync(damage, Buffer.alloc(statSync(path).size - 16_384, 0xff), 0, undefined, 16_384);
  closeSync(damage);
  const http = createServer((request, response) => {
    if (!client.acmeHttpHandler(request, response)) response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void http.close());
  const ask = async () => {
    const { port } = http.address() as { readonly port: number };
    return (await fetch(`http://127.0.0.1:${port}/.well-known/acme-challenge/token`)).status;
  };
  await bus.issue(['b.test']);
  for (let turn = 0; turn < 20; turn += 1) {
    expect(client.health().position).toBeGreaterThanOrEqual(position);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await ask()).toBe(404);
  await client.close();
  const closed = {
    ready: false,
    live: false,
    following: false,
    certificates,
    trouble: { code: 'CERTBUS_REPLICA_CLOSED' },
  };
  expect(client.health()).toMatchObject({ ...closed, certificates: expect.anything() });
  expect(await ask()).toBe(404);
  await client.close();
});

test('a report is not ahead of what is shown: while a commit is taken, its position is the one before', async () => {
  const bus = await newBus();
  const client = await newClient(bus, { stateDirectory: join(folder.path, 'ahead') });
  const { position } = client.health();
  const names = Array.from({ length: 120 }, (_, n) => `n${n}.test`);
  const positions: number[] = [];
  client.on('changed', () => positions.push(client.health().position));
  await bus.append(...names.map(madeUp));
  await expect.poll(() => positions.length).toBe(names.length);
  // They are told in turns of 50, and what was not told of yet may be shown as it was.
  expect(positions).toEqual(names.map((_, n) => (n < 100 ? position : position + 1)));
});
