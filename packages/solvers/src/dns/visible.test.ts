/** Tests of the wait until name servers show values. */
import type { ReadyOptions, Waiting } from '@certbus/acme';
import { startJumpClock } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { startDnsServer } from './dns-server.builders.ts';
import { openLookups } from './lookups.ts';
import { serversOf } from './name-servers.ts';
import type { DnsOptions } from './options.ts';
import { awaitVisible } from './visible.ts';

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
  watching: Omit<ReadyOptions, 'signal'> = {},
): Promise<void> {
  const nameServers = servers.map(({ address }) => address);
  const lookups = openLookups({ servers: nameServers, signal });
  const expected = [{ zone: 'zone.test', name: NAME, values }];
  return awaitVisible(expected, { nameServers, ...options }, { lookups, signal, ...watching });
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
  await expect(wait([server], { clock: startJumpClock() }, ['x', 'y'])).rejects.toThrow(/does not show it/);
});

test('a server that lags is named when time is up', async () => {
  const [quick, slow] = [await startNameServer('x'), await startNameServer()];
  await expect(wait([quick, slow], { clock: startJumpClock() })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_SOLVER_FAILED',
    message: expect.stringContaining(`${slow.address} does not show it. Is zone.test the zone`),
  });
});

test('a server that knows nothing of the zone is told', async () => {
  const lame = await startDnsServer({ zones: ['other.test'] });
  onTestFinished(() => lame.stop());
  await expect(wait([lame], { clock: startJumpClock() })).rejects.toThrow(/does not answer for it \(EREFUSED\)/);
});

test('the servers are those that NS records name', async () => {
  const server = await startNameServer('x');
  const options = { nameServers: undefined, nameServerPort: server.port };
  await wait([server], options);
  const elsewhere = await startDnsServer({ zones: [] });
  onTestFinished(() => elsewhere.stop());
  await expect(wait([elsewhere], { ...options, clock: startJumpClock() })).rejects.toThrow(/has no name server in DNS/);
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

/** An address of loopback at which nobody answers. */
async function startDead() {
  const server = await startDnsServer({ zones: [] });
  await server.stop();
  return { address: server.address };
}

test('a dead server among others is left out with a warning, and does not stop the order', async () => {
  const [alive, dead, warnings] = [await startNameServer('x'), await startDead(), [] as string[]];
  const clock = startJumpClock();
  const start = clock.now().getTime();
  await wait([alive, dead], { clock }, ['x'], { onWarning: (message) => warnings.push(message) });
  expect(warnings).toEqual([
    expect.stringMatching(
      `^The name server ${dead.address} does not answer \\(E\\w+\\) and is left out, since others answer`,
    ),
  ]);
  expect(clock.now().getTime() - start).toBeLessThan(20_000);
});

test('a server that refuses the zone among others that show the record is left out, too', async () => {
  const alive = await startNameServer('x');
  const lame = await startDnsServer({ zones: ['other.test'] });
  onTestFinished(() => lame.stop());
  const warnings: string[] = [];
  await wait([alive, lame], { clock: startJumpClock() }, ['x'], { onWarning: (message) => warnings.push(message) });
  expect(warnings).toEqual([expect.stringContaining(`${lame.address} does not answer for it (EREFUSED)`)]);
});

test('a server that answers again counts again', async () => {
  const [alive, lagging] = [await startNameServer('x'), await startNameServer()];
  let isDead = true;
  const nameServers = [alive.address, lagging.address];
  const { txt, ...rest } = openLookups({ servers: nameServers, signal });
  const lookups = {
    ...rest,
    txt: async (name: string, server: string) =>
      isDead && server === lagging.address ? { values: [], trouble: 'ETIMEOUT' } : txt(name, server),
  };
  const told: Waiting[] = [];
  const onWaiting = (waiting: Waiting) => {
    told.push(waiting);
    isDead = false;
    if (told.length > 1) lagging.values.push('x');
  };
  const expected = [{ zone: 'zone.test', name: NAME, values: ['x'] }];
  await awaitVisible(expected, { nameServers, clock: startJumpClock() }, { lookups, signal, onWaiting });
  expect(told.map(({ why }) => why)).toEqual([
    `${NAME}: ${lagging.address} does not answer (ETIMEOUT)`,
    `${NAME}: ${lagging.address} does not show it`,
  ]);
});

test('the last server is never left out, and one that does not show the record is waited for beside a dead one', async () => {
  const [dead, lagging, clock] = [await startDead(), await startNameServer(), startJumpClock()];
  await expect(wait([dead], { clock })).rejects.toThrow(
    /is not visible: 127\.0\.0\.1:\d+ does not answer \(E\w+\)\. Check these servers, and whether this machine can ask them/,
  );
  await expect(wait([dead, lagging], { clock })).rejects.toThrow(
    /^The TXT value of _acme-challenge\.zone\.test is not visible: 127\.0\.0\.1:\d+ does not show it\. Is zone\.test the zone/,
  );
});

test('a family that nothing answers in does not count at once, and is not reported', async () => {
  const asked: string[] = [];
  const lookups = {
    ...openLookups({ servers: undefined, signal }),
    nameServers: async () => ['ns1.test', 'ns2.test'],
    addresses: async (host: string) =>
      host === 'ns1.test' ? ['192.0.2.1', '2001:db8::1'] : ['192.0.2.2', '2001:db8::2'],
    async txt(_: string, server: string) {
      asked.push(server);
      return server.startsWith('[') ? { values: ['x'] } : { values: [], trouble: 'ECONNREFUSED' };
    },
  };
  const expected = [{ zone: 'zone.test', name: NAME, values: ['x'] }];
  const onWarning = (message: string) => expect.fail(message);
  await awaitVisible(expected, {}, { lookups, signal, onWarning });
  const nameServers = ['192.0.2.1', '2001:db8::1'];
  const listed = {
    ...lookups,
    txt: (name: string, server: string) => lookups.txt(name, server.replace('2001', '[2001')),
  };
  await awaitVisible(expected, { nameServers }, { lookups: listed, signal, onWarning });
  expect(asked.slice(0, 4).toSorted()).toEqual([
    '192.0.2.1:53',
    '192.0.2.2:53',
    '[2001:db8::1]:53',
    '[2001:db8::2]:53',
  ]);
});

test('what is waited for is reported when it changes, with the end of the wait', async () => {
  const [server, clock] = [await startNameServer(), startJumpClock()];
  const told: Waiting[] = [];
  const until = new Date(clock.now().getTime() + 30_000);
  await expect(
    wait([server], { clock, visibleWithinMs: 30_000 }, ['x'], { onWaiting: (waiting) => told.push(waiting) }),
  ).rejects.toThrow(/does not show it/);
  expect(told).toHaveLength(1);
  expect(told[0]?.why).toBe(`${NAME}: ${server.address} does not show it`);
  expect(told[0]?.until).toEqual(until);
});

test('an error has the way on which the name was found', async () => {
  const server = await startNameServer();
  const lookups = openLookups({ servers: [server.address], signal });
  const found = { name: NAME, path: ['_acme-challenge.a.test', NAME] };
  const expected = [{ zone: 'zone.test', name: NAME, values: ['x'], found }];
  const options = { nameServers: [server.address], visibleWithinMs: 0, clock: startJumpClock() };
  await expect(awaitVisible(expected, options, { lookups, signal })).rejects.toThrow(
    `CNAMEs lead there: _acme-challenge.a.test -> ${NAME}`,
  );
});

test('a short wait leaves a dead server out before it ends', async () => {
  const [alive, dead, warnings] = [await startNameServer('x'), await startDead(), [] as string[]];
  const options = { clock: startJumpClock(), visibleWithinMs: 2000 };
  await wait([alive, dead], options, ['x'], { onWarning: (message) => warnings.push(message) });
  expect(warnings).toHaveLength(1);
});
