/** Tests of a client whose trust file has a floor, on a bus that its store's holder cut off. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatTrust, parseTrust } from '@certbus/events';
import { BEGINNING, floorAt } from '@certbus/events/history';
import { openBus, parseAddress } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { temporaryFolder } from 'certbus-services';
import { afterAll, afterEach, expect, test } from 'vitest';
import type { ConnectOptions } from './cert-bus.ts';
import { connect } from './connect.ts';
import { openMaterial } from './material.ts';
import { createTestBus } from './testing.ts';

const BELOW = { name: 'HistoryError', code: 'CERTBUS_EVENTS_BELOW_FLOOR' };
const folder = temporaryFolder();
const open: { close(): Promise<unknown> }[] = [];
let sites = 0;

afterEach(async () => {
  for (const it of open.splice(0).reverse()) await it.close();
});
afterAll(() => folder.remove());

/** A bus with one certificate, a trust file whose floor is its head, and its store for somebody who can write to it. */
async function newSite() {
  sites += 1;
  const address = `sqlite:${join(folder.path, `${sites}.db`)}#test`;
  const bus = await createTestBus({ address });
  open.push(bus);
  await bus.issue(['a.test']);
  const { checkpoint } = await bus.bus.read(BEGINNING, { consistent: true });
  const trust = formatTrust({ ...parseTrust(bus.trust), floor: floorAt(checkpoint) });
  const { stream } = parseAddress(address);
  const log = await openLog(address);
  open.push(log);
  async function cutOff(length: number): Promise<void> {
    const { commits } = await log.read(stream, length, { limit: 100 });
    for (const { position, bytes } of commits.toReversed())
      await log.maintenance?.replace(stream, position, { found: bytes, bytes: undefined });
  }
  const stateDirectory = join(folder.path, `state${sites}`);
  const { identity } = bus;
  const options: ConnectOptions = { bus: address, identity, trust, stateDirectory, intervalMs: 100 };
  return { ...bus, log, stream, checkpoint, options, cutOff };
}

test.each([
  ['the text', (trust: string) => trust],
  ['the text with \\n in two characters', (trust: string) => trust.replaceAll('\n', '\\n')],
  [
    'a file of Windows',
    (trust: string) => {
      const path = join(folder.path, `bus${sites}.pub`);
      writeFileSync(path, `\ufeff${trust.replaceAll('\n', '\r\n')}\r\n`);
      return path;
    },
  ],
])('the trust file as %s lets a first start begin on the whole bus only', async (_, given) => {
  const { options, cutOff } = await newSite();
  const trust = given(String(options.trust));
  const whole = await connect({ ...options, trust, replica: ':memory:' });
  open.push(whole);
  expect([...whole.certificates()]).toHaveLength(1);
  await cutOff(2);
  // At once, not when the time for a first start is over.
  await expect(connect({ ...options, trust, startTimeoutMs: 600_000 })).rejects.toMatchObject(BELOW);
  await expect(openMaterial({ ...options, trust, startTimeoutMs: 600_000 })).rejects.toThrow(/bus\.pub/);
});

test('a bus that is handed over open is held against the floor of the trust as well', async () => {
  const { options, log, stream, trust, cutOff } = await newSite();
  await cutOff(2);
  const bus = openBus(log, stream, { trust: parseTrust(trust) });
  await expect(connect({ ...options, bus, replica: ':memory:' })).rejects.toMatchObject(BELOW);
});

test('nothing begins on a stream that was emptied', async () => {
  const { options, cutOff } = await newSite();
  await cutOff(0);
  await expect(connect(options)).rejects.toMatchObject(BELOW);
});

test('a server that has read the bus goes on serving, with an alarm', async () => {
  const { options, cutOff } = await newSite();
  await (await connect(options)).close();
  await cutOff(2);
  const client = await connect(options);
  open.push(client);
  const alarm = new Promise<Error>((resolve) => {
    client.on('alarm', resolve);
  });
  expect((await alarm).message).toMatch(/refused/);
  expect([...client.certificates()]).toHaveLength(1);
  expect(client.health()).toMatchObject({ live: false, position: 3 });
});
