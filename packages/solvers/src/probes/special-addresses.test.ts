import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { presentedChallenge } from '@certbus/acme';
import { expect, onTestFinished, test } from 'vitest';
import { startDns } from '../dns/dns.builders.ts';
import { awaitHttp01 } from './http-01.ts';
import { objectionToAddress } from './special-addresses.ts';

const { signal } = new AbortController();

test.each([
  ...['127.0.0.1', '127.9.9.9', '0.0.0.0', '::1', '::', '::ffff:127.0.0.1', '::ffff:7f00:1', '64:ff9b::7f00:1'],
  ...['169.254.169.254', 'fe80::1', 'fe80::1%eth0', 'febf::1', '::ffff:a9fe:a9fe', 'fd00:ec2::254'],
])('from a public address no redirect is followed to %s', (address) => {
  expect(objectionToAddress(address, '192.0.2.1')).toMatch(/no CA follows/);
  expect(objectionToAddress(address, '2001:db8::1')).toMatch(/no CA follows/);
});

test('public and private addresses are followed, and loopback from loopback, but not to the link', () => {
  for (const address of ['192.0.2.1', '10.0.0.1', '2001:db8::1', 'fd00::1', '128.0.0.1', '169.253.0.1', 'fec0::1'])
    expect(objectionToAddress(address, '192.0.2.1')).toBeUndefined();
  expect(objectionToAddress('127.0.0.2', '127.0.0.1')).toBeUndefined();
  expect(objectionToAddress('::1', '127.0.0.1')).toBeUndefined();
  expect(objectionToAddress('169.254.169.254', '127.0.0.1')).toMatch(/link-local/);
});

async function listen(address: string, listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  return (server.address() as AddressInfo).port;
}

const challenge = presentedChallenge(
  'a.test',
  { type: 'http-01', url: '', status: 'pending', token: 'token' },
  'thumb',
);

/** What a probe of a name at an address says of a redirect, when names in DNS are there as well or at `elsewhere`. */
async function probe(address: string, location: string, elsewhere = address): Promise<unknown> {
  const dns = await startDns(({ type, name }) =>
    type === 'A' ? [name.startsWith('elsewhere') ? elsewhere : address] : [],
  );
  onTestFinished(() => dns[Symbol.asyncDispose]());
  const port = await listen(address, (_, response) => void response.writeHead(302, { location }).end());
  const ready = awaitHttp01('', { port, resolver: [dns.address], timeoutMs: 300 });
  return Promise.resolve(ready([challenge], { signal })).catch((error: unknown) => error);
}

test('a redirect to a service of the cloud is not followed, whether by address or by name', async () => {
  expect(String(await probe('127.0.0.1', 'http://169.254.169.254/latest/meta-data/'))).toMatch(/link-local address/);
  expect(String(await probe('127.0.0.1', 'http://elsewhere.test/', '169.254.169.254'))).toMatch(/link-local address/);
});

const own = Object.values(networkInterfaces()).flatMap((addresses) =>
  (addresses ?? []).flatMap(({ address, family, internal }) => (family === 'IPv4' && !internal ? [address] : [])),
)[0];

test.skipIf(own === undefined)('a redirect from a name of the network to this machine is not followed', async () => {
  const asked: unknown[] = [];
  const port = await listen('127.0.0.1', ({ url }, response) => {
    asked.push(url);
    response.end();
  });
  for (const location of [
    `http://127.0.0.1:${port}/`,
    `http://2130706433:${port}/`,
    `http://0:${port}/`,
    `http://[::1]:${port}/`,
  ])
    expect(String(await probe(own ?? '', location))).toMatch(/loopback address/);
  expect(asked).toEqual([]);
});
