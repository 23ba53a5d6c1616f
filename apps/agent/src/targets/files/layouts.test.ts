import { expect, test } from 'vitest';
import { fileNames } from './layouts.ts';

const wanted = (...names: readonly string[]) => new Map(names.map((name, n) => [`id-${n}`, { names: [name] }]));

test('a name that is too long for the file of an unfinished write gives way to the id, and holds up no other', () => {
  const label = 'a'.repeat(50);
  const long = `${label}.${label}.${label}.${label}.test`;
  expect([...fileNames(wanted(long, 'b.test', '2001:db8::1'), new Map()).values()]).toEqual(['id-0', 'b.test', 'id-2']);
});

test('a certificate keeps its name, and the later one of two has its id behind it', () => {
  const given = new Map([['id-1', 'a.test']]);
  expect([...fileNames(wanted('a.test', 'a.test', '*.a.test'), given)].sort()).toEqual([
    ['id-0', 'a.test-id-0'],
    ['id-1', 'a.test'],
    ['id-2', '_.a.test'],
  ]);
});

test("no certificate has the file of another one's issuers", () => {
  expect([...fileNames(wanted('a.test', 'a.test.issuer'), new Map()).values()]).toEqual([
    'a.test',
    'a.test.issuer-id-1',
  ]);
});
