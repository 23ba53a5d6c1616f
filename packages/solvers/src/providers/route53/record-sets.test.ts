import { Route53Client } from '@aws-sdk/client-route-53';
import { expect, onTestFinished, test } from 'vitest';
import { createBudget } from './budget.ts';
import type { Caller } from './call.ts';
import { readSets } from './record-sets.ts';
import { setUp } from './solver.builders.ts';

const { signal } = new AbortController();
const ENDLESS = { perSecond: 1e9, burst: 1e9 };

async function start(zone: Readonly<Record<string, readonly string[]>>) {
  const { fake } = await setUp([{ id: 'Z1', name: 'example.test' }]);
  for (const [key, values] of Object.entries(zone)) {
    const [name = '', type = ''] = key.split(' ');
    fake.zone('Z1').put(name, type, values);
  }
  const client = new Route53Client({
    endpoint: fake.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'id', secretAccessKey: 'made-up' },
  });
  onTestFinished(() => client.destroy());
  const sleep = async () => {};
  const budget = createBudget({ requests: ENDLESS, changes: ENDLESS, now: () => new Date(), sleep });
  const caller: Caller = { client, budget, sleep, random: () => 0 };
  const read = async (...names: string[]) => {
    const found = await readSets(caller, { zoneId: 'Z1', names }, signal);
    return new Map([...found].map(([name, set]) => [name, (set.ResourceRecords ?? []).map(({ Value }) => Value)]));
  };
  return { fake, read };
}

const hosts = (count: number, from = 0) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, nth) => [
      `h${String(from + nth).padStart(4, '0')}.example.test A`,
      ['192.0.2.1'],
    ]),
  );

test('one name is one call, whether it is there or not', async () => {
  const { fake, read } = await start({ 'b.example.test TXT': ['"b"'] });
  expect(await read('b.example.test')).toEqual(new Map([['b.example.test', ['"b"']]]));
  expect(await read('a.example.test')).toEqual(new Map());
  expect(fake.count()).toBe(2);
});

test('names far apart are jumped to, names near to each other come by the page', async () => {
  const { fake, read } = await start({
    ...hosts(900),
    'h0001.example.test TXT': ['"1"'],
    'h0890.example.test TXT': ['"890"'],
  });
  const found = await read('h0890.example.test', 'h0001.example.test', 'h0002.example.test', 'none.example.test');
  expect(found).toEqual(
    new Map([
      ['h0001.example.test', ['"1"']],
      ['h0890.example.test', ['"890"']],
    ]),
  );
  expect(fake.count()).toBe(2);
});

test('a set that begins the next page is found', async () => {
  // The first page from a.example.test on holds exactly 300 sets and ends with the A record of a wanted name.
  const { fake, read } = await start({
    'a.example.test TXT': ['"a"'],
    ...hosts(298),
    'h9999.example.test A': ['192.0.2.1'],
    'h9999.example.test TXT': ['"next"'],
  });
  const found = await read('a.example.test', 'h9999.example.test', 'z.example.test');
  expect(found.get('h9999.example.test')).toEqual(['"next"']);
  expect(found.size).toBe(2);
  expect(fake.count()).toBe(2);
});

test('hyphens, which sort before the dot, confuse nobody', async () => {
  const names = [
    'n1.example.test',
    'n1-x.example.test',
    'a.n1.example.test',
    'n1-x-y.example.test',
    'n10.example.test',
  ];
  const { read } = await start(Object.fromEntries(names.map((name) => [`${name} TXT`, [`"${name}"`]])));
  const found = await read(...names, 'n1-.example.test', 'b.n1.example.test');
  expect([...found.keys()].toSorted()).toEqual(names.toSorted());
});

test('what is read together is what is read one by one', async () => {
  const letters = ['a', 'b', 'c', '-', '0', '_'];
  const pick = () => letters[Math.floor(Math.random() * letters.length)] ?? '';
  const name = () =>
    `${Array.from({ length: 1 + Math.floor(Math.random() * 3) }, () => `x${pick()}${pick()}`).join('.')}.example.test`;
  const there = Array.from({ length: 700 }, name);
  const { fake, read } = await start(
    Object.fromEntries(
      there.map((each, nth) => [
        `${each} ${nth % 3 === 0 ? 'A' : 'TXT'}`,
        nth % 3 === 0 ? ['192.0.2.1'] : [`"${nth}"`],
      ]),
    ),
  );
  const wanted = [...new Set([...Array.from({ length: 100 }, name), ...there.slice(0, 100)])];
  const found = await read(...wanted);
  for (const each of wanted) expect(found.get(each) ?? []).toEqual(fake.zone('Z1').txt(each));
  expect(fake.count()).toBeLessThanOrEqual(4);
});
