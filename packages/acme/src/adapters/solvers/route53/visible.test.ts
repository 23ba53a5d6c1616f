import { expect, onTestFinished, test } from 'vitest';
import { startDns } from '../../../dns.builders.ts';
import { openLookups } from './lookups.ts';
import { createFindServers } from './visible.ts';
import { createGate } from './waiting.ts';

test("the authoritative servers of a name are those of its zone's apex, asked for once", async () => {
  const asked: string[] = [];
  await using dns = await startDns(({ type, name }) => {
    asked.push(`${type} ${name}`);
    if (type === 'NS' && name === 'example.test') return ['ns1.dns.test', 'ns2.dns.test'];
    if (type === 'A') return [name === 'ns1.dns.test' ? '192.0.2.1' : '192.0.2.2'];
    return [];
  });
  const stop = new AbortController();
  const lookups = openLookups({ servers: [dns.address], gate: createGate(4), signal: stop.signal });
  onTestFinished(() => lookups[Symbol.dispose]());
  const find = createFindServers(lookups, 53);
  const deep = find('_acme-challenge.deep.example.test');
  const apex = find('_acme-challenge.example.test');
  expect([await deep, await apex]).toEqual([
    ['192.0.2.1:53', '192.0.2.2:53'],
    ['192.0.2.1:53', '192.0.2.2:53'],
  ]);
  expect(asked.filter((question) => question === 'NS example.test')).toHaveLength(1);
  expect(asked.filter((question) => question.startsWith('A '))).toHaveLength(2);
});

test('IPv6 servers get their port in brackets', async () => {
  const find = createFindServers(
    { nameServers: async () => ['ns.dns.test'], addresses: async () => ['2001:db8::1'] },
    5353,
  );
  expect(await find('example.test')).toEqual(['[2001:db8::1]:5353']);
});

test('an abort ends questions that nobody answers', async () => {
  const stop = new AbortController();
  const lookups = openLookups({ servers: ['192.0.2.1:53'], gate: createGate(1), signal: stop.signal });
  onTestFinished(() => lookups[Symbol.dispose]());
  const [asked, waits] = [lookups.cname('a.example.test'), lookups.txt('b.example.test', '192.0.2.1:53')];
  setImmediate(() => stop.abort(new Error('enough')));
  const outcomes = await Promise.allSettled([asked, waits]);
  expect(outcomes).toMatchObject([{ reason: { message: 'enough' } }, { reason: { message: 'enough' } }]);
});
