import { expect, test } from 'vitest';
import { blameIn, editValues, fitting, setWith, swap, valuesOf } from './plan.ts';

const NAME = '_acme-challenge.example.test';
const quoted = (count: number, length = 45): string[] =>
  Array.from({ length: count }, (_, nth) => `"${String(nth).padStart(length - 2, 'x')}"`);

test('a set is swapped for exactly what was read', () => {
  const old = { Name: `${NAME}.`, Type: 'TXT' as const, TTL: 300, ResourceRecords: [{ Value: '"foreign"' }] };
  const values = editValues(valuesOf(NAME, old), { action: 'add', name: NAME, value: 'mine' });
  const next = setWith(NAME, old, values);
  expect(swap(old, next)).toEqual([
    { Action: 'DELETE', ResourceRecordSet: old },
    {
      Action: 'CREATE',
      ResourceRecordSet: { ...old, ResourceRecords: [{ Value: '"foreign"' }, { Value: '"mine"' }] },
    },
  ]);
  expect(setWith(NAME, old, editValues(['"mine"'], { action: 'remove', name: NAME, value: 'mine' }))).toBeUndefined();
});

test('a twenty-first value is refused, and taking one of many away is not', () => {
  expect(() => editValues(quoted(20), { action: 'add', name: NAME, value: 'mine' })).toThrow(/21 values/);
  const many = [...quoted(30), '"mine"'];
  expect(editValues(many, { action: 'remove', name: NAME, value: 'mine' })).toHaveLength(30);
});

test.each([
  { SetIdentifier: 'blue' },
  { AliasTarget: { HostedZoneId: 'Z', DNSName: 'x.', EvaluateTargetHealth: false } },
])('a record with a routing policy, or an alias, is left alone (%o)', (special) => {
  expect(() => valuesOf(NAME, { Name: NAME, Type: 'TXT', ...special })).toThrow(/routing policy or is an alias/);
});

test('as much goes into a batch as its limits on elements and characters allow', () => {
  const creation = (values: readonly string[]) => swap(undefined, setWith(NAME, undefined, values));
  expect(fitting(Array.from({ length: 800 }, () => creation(quoted(1))))).toBe(711);
  expect(fitting(Array.from({ length: 1200 }, () => creation(['"x"'])))).toBe(1000);
  expect(fitting([creation(quoted(1)), creation(quoted(1))])).toBe(2);
  expect(fitting([creation(quoted(300, 255)), creation(quoted(1))])).toBe(1);
});

test('the reasons of a refusal name the records that are to blame', () => {
  const { changed, forbidden } = blameIn(
    "[Tried to create resource record set [name='_acme-challenge.A.example.test.', type='TXT'] but it already exists, " +
      "Tried to delete resource record set [name='b.example.test.', type='TXT'] but it was not found, " +
      "Tried to delete resource record set [name='c.example.test.', type='TXT', set identifier='x'] but the values provided do not match the current values, " +
      'RRSet of type TXT with DNS name d.example.test. is not permitted because a conflicting RRSet of type CNAME with the same DNS name already exists in zone example.test., ' +
      'RRSet with DNS name e.other.test. is not permitted in zone example.test.]',
  );
  expect([...changed]).toEqual(['_acme-challenge.a.example.test', 'b.example.test', 'c.example.test']);
  expect([...forbidden]).toEqual(['d.example.test', 'e.other.test']);
  expect(blameIn('Number of records limit of 10000 exceeded.')).toEqual({ changed: new Set(), forbidden: new Set() });
});
