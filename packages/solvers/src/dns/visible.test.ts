import { expect, onTestFinished, test } from 'vitest';
import { startDnsServer } from './dns-server.builders.ts';
import { openLookups } from './lookups.ts';
import type { DnsOptions } from './options.ts';
import { awaitVisible, serversOf } from './visible.ts';

const { signal } = new AbortController();
const NAME = '_acme-challenge.zone.test';

/** A name server of the zone that shows values, and can be taught others. */
async function startNameServer(...values: string[]) {
  const server = await startDnsServer({ zones: ['zone.test'], txt: () => values });
  onTestFinished(() => server.stop());
  return { ...server, values };
}

function wait(
  servers: readonly { readonly address: string }[],
  options: DnsOptions = {},
  values = ['x'],
): Promise<void> {
  const nameServers = servers.map(({ address }) => address);
  const lookups = openLookups({ servers: nameServers, signal });
  return awaitVisible([{ zone: 'zone.test', name: NAME, values }], { nameServers, ...options }, { lookups, signal });
}

test('every server is waited for', async () => {
  const [quick, slow] = [await startNameServer('x'), await startNameServer('old')];
  let isReady = false;
  const waiting = wait([quick, slow]).then(() => {
    isReady = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(isReady).toBe(false);
  slow.values.push('x');
  await waiting;
});

test('every value is waited for', async () => {
  const server = await startNameServer('x');
  await expect(wait([server], { visibleWithinMs: 300 }, ['x', 'y'])).rejects.toThrow(/does not show it/);
});

test('a server that lags is named when time is up', async () => {
  const [quick, slow] = [await startNameServer('x'), await startNameServer()];
  await expect(wait([quick, slow], { visibleWithinMs: 300 })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_SOLVER_FAILED',
    message: expect.stringContaining(`${slow.address} does not show it. Is zone.test the zone`),
  });
});

test('a server that knows nothing of the zone is told', async () => {
  const lame = await startDnsServer({ zones: ['other.test'] });
  onTestFinished(() => lame.stop());
  await expect(wait([lame], { visibleWithinMs: 300 })).rejects.toThrow(/does not answer for it \(EREFUSED\)/);
});

test('the servers are those that NS records name', async () => {
  const server = await startNameServer('x');
  const options = { nameServers: undefined, nameServerPort: server.port };
  await wait([server], options);
  const elsewhere = await startDnsServer({ zones: [] });
  onTestFinished(() => elsewhere.stop());
  await expect(wait([elsewhere], { ...options, visibleWithinMs: 300 })).rejects.toThrow(/has no name server in DNS/);
});

test('nobody is asked where none can be', async () => {
  await wait([], { nameServers: false });
});

test('twenty values are borne, one more is told at once', async () => {
  const many = Array.from({ length: 20 }, (_, index) => `value ${index}`);
  const server = await startNameServer(...many);
  await wait([server], {}, many);
  server.values.push('one more');
  await expect(wait([server])).rejects.toThrow(/has 21 values, more than CAs accept/);
});

test('a zone with more servers than any has is not asked for, by all of them at once', async () => {
  const hosts = Array.from({ length: 65 }, (_, index) => `ns${index}.test`);
  const lookups = { nameServers: async () => hosts, addresses: async () => ['192.0.2.1'] };
  await expect(serversOf('a.test', lookups)).rejects.toMatchObject({
    code: 'CERTBUS_ACME_SOLVER_FAILED',
    message: expect.stringContaining('65 name servers'),
  });
  const many = { nameServers: async () => ['ns.test'], addresses: async () => hosts };
  await expect(serversOf('a.test', many)).rejects.toThrow('65 name servers');
});
