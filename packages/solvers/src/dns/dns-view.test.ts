import { createSocket } from 'node:dgram';
import { checkCaa } from '@certbus/acme';
import { startDnsServer } from '@certbus/acme-server';
import { type Answer, decode, encode } from 'dns-packet';
import { expect, onTestFinished, test } from 'vitest';
import { createDnsView } from './dns-view.ts';

const signal = new AbortController().signal;
const question = { issuers: ['ca.test'], accountUrl: 'https://ca.test/acct/1', challengeType: 'dns-01', signal };

async function start() {
  const dns = await startDnsServer({ defaultAddresses: [] });
  onTestFinished(() => dns[Symbol.asyncDispose]());
  const view = createDnsView({ resolvers: [dns.address], timeoutMs: 500 });
  return { dns, view, check: (name: string) => checkCaa(name, { ...question, resolver: view.caa }) };
}

test('a name without records anywhere upwards may be certified by anybody', async () => {
  const { check, dns } = await start();
  expect(await check('a.b.example.test')).toEqual({ verdict: 'allowed', at: undefined, records: [] });
  const asked = dns.queries.filter(({ type }) => type === 'CAA').map(({ name }) => name);
  expect(asked).toEqual(['a.b.example.test', 'b.example.test', 'example.test', 'test']);
});

test('the nearest records upwards count, and those above do not', async () => {
  const { check, dns } = await start();
  dns.add('example.test', 'CAA', { tag: 'issue', value: 'other.test' });
  expect(await check('a.b.example.test')).toMatchObject({ verdict: 'forbidden', at: 'example.test' });
  dns.add('b.example.test', 'CAA', { tag: 'issue', value: 'ca.test' });
  expect(await check('a.b.example.test')).toMatchObject({ verdict: 'allowed', at: 'b.example.test' });
});

test('an alias is followed, and what lies above its target is not looked at', async () => {
  const { check, dns } = await start();
  dns.add('www.example.test', 'CNAME', 'www.cdn.test');
  dns.add('cdn.test', 'CAA', { tag: 'issue', value: 'other.test' });
  expect(await check('www.example.test')).toMatchObject({ verdict: 'allowed', at: undefined });
  dns.add('www.cdn.test', 'CAA', { tag: 'issue', value: 'other.test' });
  expect(await check('www.example.test')).toMatchObject({ verdict: 'forbidden', at: 'www.example.test' });
});

test('parameters arrive whole, and wildcards have rules of their own', async () => {
  const { check, dns } = await start();
  const value = 'ca.test; accounturi=https://ca.test/acct/1; validationmethods=dns-01';
  dns.add('example.test', 'CAA', { tag: 'issue', value });
  dns.add('example.test', 'CAA', { tag: 'issuewild', value: ';' });
  expect(await check('example.test')).toMatchObject({ verdict: 'allowed' });
  expect(await check('*.example.test')).toMatchObject({ verdict: 'forbidden' });
});

test('a server that fails or is silent is no permission', async () => {
  const { check, dns } = await start();
  dns.fail('b.example.test', 'SERVFAIL');
  expect(await check('a.b.example.test')).toMatchObject({ verdict: 'unknown', at: 'b.example.test' });
});

test.each<[string, { flags: number; tag: string; value: string }, object]>([
  ['the flag for critical', { flags: 128, tag: 'tbs', value: 'Unknown' }, { isCritical: true, tag: 'tbs' }],
  ['the wrong flag for critical', { flags: 1, tag: 'tbs', value: 'x' }, { isCritical: false, tag: 'tbs' }],
  ['a tag in capitals', { flags: 0, tag: 'ISSUE', value: 'ca.test' }, { tag: 'issue', value: 'ca.test' }],
  [
    'the tag "critical"',
    { flags: 0, tag: 'critical', value: 'no' },
    { isCritical: true, tag: 'critical', value: 'no' },
  ],
  ['the tag "type"', { flags: 0, tag: 'type', value: 'no' }, { isCritical: false, tag: 'type', value: 'no' }],
])('%s is told apart', async (_, data, expected) => {
  const socket = createSocket('udp4');
  socket.on('message', (message, peer) => {
    const { id = 0, questions = [] } = decode(message);
    const answers: Answer[] = [{ name: questions[0]?.name ?? '', type: 'CAA', ttl: 0, data: data as never }];
    socket.send(encode({ type: 'response', id, flags: 0x8180, questions, answers }), peer.port, peer.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  onTestFinished(() => void socket.close());
  const view = createDnsView({ resolvers: [`127.0.0.1:${socket.address().port}`] });
  expect(await view.caa('example.test', { signal })).toEqual([expect.objectContaining(expected)]);
});

test('who has a name: it exists or not, and its zone is served by these', async () => {
  const { dns, view } = await start();
  dns.add('example.test', 'NS', 'ns1.host.test');
  dns.add('www.example.test', 'A', '127.0.0.1');
  expect(await view.control('*.www.example.test', { signal })).toEqual({
    exists: true,
    nameServers: ['ns1.host.test'],
  });
  expect(await view.control('gone.test', { signal })).toEqual({ exists: false, nameServers: undefined });
  dns.fail('mute.test', 'SERVFAIL');
  expect(await view.control('mute.test', { signal })).toEqual({ exists: undefined, nameServers: undefined });
});

test('an abort ends a question that nobody answers', async () => {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  onTestFinished(() => void socket.close());
  const view = createDnsView({ resolvers: [`127.0.0.1:${socket.address().port}`], timeoutMs: 30_000 });
  const stop = new AbortController();
  const pending = checkCaa('example.test', { ...question, signal: stop.signal, resolver: view.caa });
  const aborted = expect(pending).rejects.toThrow('enough');
  setTimeout(() => stop.abort(new Error('enough')), 50);
  await aborted;
});
