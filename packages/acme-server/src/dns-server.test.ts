import { Resolver } from 'node:dns/promises';
import { connect } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type DnsServer, type DnsServerOptions, startDnsServer } from './index.ts';

let dns: DnsServer;
let resolver: Resolver;

function resolverAt(address: string, options: { readonly timeout: number; readonly tries: number }): Resolver {
  const made = new Resolver(options);
  made.setServers([address]);
  return made;
}

async function start(options: DnsServerOptions = {}): Promise<void> {
  await dns?.[Symbol.asyncDispose]();
  dns = await startDnsServer(options);
  resolver = resolverAt(dns.address, { timeout: 20_000, tries: 3 });
}

beforeEach(() => start());
afterEach(async () => {
  await dns[Symbol.asyncDispose]();
});

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'answered',
    (error: unknown) => (error as { code?: string }).code,
  );

test('every name is this machine, unless it is told otherwise', async () => {
  expect(await resolver.resolve4('any.test')).toEqual(['127.0.0.1']);
  expect(await codeOf(resolver.resolve6('any.test'))).toBe('ENODATA');
  dns.set('any.test', 'A', ['127.0.0.2', '127.0.0.3']);
  dns.set('any.test', 'AAAA', ['::1']);
  expect((await resolver.resolve4('ANY.test')).toSorted()).toEqual(['127.0.0.2', '127.0.0.3']);
  expect(await resolver.resolve6('any.test')).toEqual(['::1']);
});

test('values are added, and taken away one by one or together', async () => {
  const values = async () =>
    (await resolver.resolveTxt('txt.test').catch(() => [])).map((chunks) => chunks.join('')).toSorted();
  dns.add('txt.test', 'TXT', 'one');
  dns.add('TXT.test.', 'TXT', 'two');
  dns.add('txt.test', 'TXT', 'two');
  expect(await values()).toEqual(['one', 'two']);
  dns.remove('txt.test', 'TXT', 'one');
  expect(await values()).toEqual(['two']);
  expect(dns.get('txt.test', 'TXT')).toEqual(['two']);
  dns.remove('txt.test', 'TXT');
  expect(await values()).toEqual([]);
});

test('a long text comes in chunks, and an answer too large for a datagram over TCP', async () => {
  const long = 'x'.repeat(600);
  dns.add('long.test', 'TXT', long);
  expect((await resolver.resolveTxt('long.test'))[0]?.map((chunk) => chunk.length)).toEqual([255, 255, 90]);
  for (let nth = 0; nth < 30; nth += 1) dns.add('long.test', 'TXT', `${nth}${long}`);
  expect(await resolver.resolveTxt('long.test')).toHaveLength(31);
});

test('an alias is followed, and told', async () => {
  dns.set('alias.test', 'CNAME', ['middle.test']);
  dns.set('middle.test', 'CNAME', ['end.test']);
  dns.add('end.test', 'TXT', 'here');
  expect(await resolver.resolveTxt('alias.test')).toEqual([['here']]);
  expect(await resolver.resolveCname('alias.test')).toEqual(['middle.test']);
});

test('zones have name servers, a SOA record and CAA records', async () => {
  dns.add('zone.test', 'NS', 'ns1.zone.test');
  dns.add('zone.test', 'SOA', { mname: 'ns1.zone.test', rname: 'admin.zone.test', serial: 7, minimum: 60 });
  dns.add('zone.test', 'CAA', { tag: 'issue', value: 'ca.test; accounturi=x', flags: 128 });
  expect(await resolver.resolveNs('zone.test')).toEqual(['ns1.zone.test']);
  expect(await resolver.resolveSoa('zone.test')).toMatchObject({ nsname: 'ns1.zone.test', serial: 7, minttl: 60 });
  expect(await resolver.resolveCaa('zone.test')).toMatchObject([{ critical: 128, issue: 'ca.test; accounturi=x' }]);
});

test('without default addresses names without records do not exist', async () => {
  await start({ defaultAddresses: [] });
  dns.add('deep.there.test', 'TXT', 'x');
  expect(await codeOf(resolver.resolve4('nowhere.test'))).toBe('ENOTFOUND');
  expect(await codeOf(resolver.resolve4('there.test'))).toBe('ENODATA');
});

test('a name fails as it is told to', async () => {
  dns.fail('bad.test', 'SERVFAIL');
  expect(await codeOf(resolver.resolve4('bad.test'))).toBe('ESERVFAIL');
  dns.fail('bad.test', 'REFUSED');
  expect(await codeOf(resolver.resolve4('bad.test'))).toBe('EREFUSED');
  dns.fail('bad.test', 'silence');
  const hasty = resolverAt(dns.address, { timeout: 500, tries: 1 });
  expect(await codeOf(hasty.resolve4('bad.test'))).toBe('ETIMEOUT');
  dns.fail('bad.test', undefined);
  expect(await codeOf(resolver.resolve4('bad.test'))).toBe('answered');
});

test('every question is kept', async () => {
  await resolver.resolve4('Asked.test');
  expect(dns.queries).toEqual([{ name: 'asked.test', type: 'A' }]);
});

test("other programs set records by challtestsrv's requests", async () => {
  const post = async (path: string, body: unknown) =>
    (await fetch(`${dns.url}/${path}`, { method: 'POST', body: JSON.stringify(body) })).status;
  expect(await post('set-txt', { host: 'm.test.', value: 'one' })).toBe(200);
  expect(await post('set-txt', { host: 'm.test.', value: 'two' })).toBe(200);
  expect((await resolver.resolveTxt('m.test')).flat().toSorted()).toEqual(['one', 'two']);
  expect(await post('clear-txt', { host: 'm.test.' })).toBe(200);
  expect(dns.get('m.test', 'TXT')).toEqual([]);
  expect(await post('add-a', { host: 'm.test.', addresses: ['127.0.0.9'] })).toBe(200);
  expect(await post('set-cname', { host: 'c.test.', target: 'm.test.' })).toBe(200);
  expect(await resolver.resolve4('c.test')).toEqual(['127.0.0.9']);
  expect(await post('add-caa', { host: 'm.test.', policies: [{ tag: 'issue', value: 'ca.test' }] })).toBe(200);
  expect(await resolver.resolveCaa('m.test')).toMatchObject([{ issue: 'ca.test' }]);
  expect(await post('set-servfail', { host: 'm.test.' })).toBe(200);
  expect(await codeOf(resolver.resolve4('m.test'))).toBe('ESERVFAIL');
  expect(await post('clear-servfail', { host: 'm.test.' })).toBe(200);
  expect(await resolver.resolve4('m.test')).toEqual(['127.0.0.9']);
  expect(await post('set-txt', { host: 'm.test.' })).toBe(400);
  expect(await post('set-txt', 'text')).toBe(400);
  expect(await post('shutdown', {})).toBe(404);
});

test('what is no query disturbs nobody', async () => {
  const [host = '', port = ''] = dns.address.split(':');
  const socket = connect(Number(port), host);
  socket.on('error', () => {}).write(Buffer.from([0, 3, 1, 2, 3]));
  await new Promise((resolve) => socket.once('close', resolve));
  expect(await resolver.resolve4('still.test')).toEqual(['127.0.0.1']);
});

test('a wildcard covers names that are not there, up to the nearest that is (RFC 4592)', async () => {
  await start({ defaultAddresses: [] });
  dns.add('*.wild.test', 'CNAME', 'lb.hoster.test');
  dns.add('there.wild.test', 'A', '127.0.0.5');
  expect(await resolver.resolveCname('any.wild.test')).toEqual(['lb.hoster.test']);
  expect(await resolver.resolveCname('two.labels.wild.test')).toEqual(['lb.hoster.test']);
  expect(await codeOf(resolver.resolveCname('there.wild.test'))).toBe('ENODATA');
  expect(await codeOf(resolver.resolveCname('below.there.wild.test'))).toBe('ENOTFOUND');
  dns.add('any.wild.test', 'TXT', 'a record of its own');
  expect(await codeOf(resolver.resolveCname('any.wild.test'))).toBe('ENODATA');
});

test('what is made up is answered at every name of a zone, and nowhere else', async () => {
  await start({ defaultAddresses: [] });
  dns.makeUp('liar.test', 'NS', ['ns1.liar.test']);
  dns.add('www.liar.test', 'A', '127.0.0.5');
  for (const name of ['liar.test', 'www.liar.test', 'never.made.liar.test'])
    expect(await resolver.resolveNs(name)).toEqual(['ns1.liar.test']);
  expect(await codeOf(resolver.resolveNs('honest.test'))).toBe('ENOTFOUND');
});
