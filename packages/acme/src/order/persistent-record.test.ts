import { expect, test } from 'vitest';
import { readGrant, recordFor } from './persistent-record.ts';

const now = new Date('2026-11-24T03:00:00Z');
const accountUrl = 'https://ca.test/acct/123';
const grant = { issuers: ['authority.test', 'ca.test'], accountUrl, isWildcard: false };
const wild = { ...grant, isWildcard: true };
const seconds = (text: string) => Math.floor(Date.parse(text) / 1000);

test('what is to be set is what is looked for', () => {
  expect(recordFor(grant)).toBe('authority.test; accounturi=https://ca.test/acct/123');
  expect(recordFor(wild)).toBe('authority.test; accounturi=https://ca.test/acct/123; policy=wildcard');
  for (const wanted of [grant, wild]) expect(readGrant([recordFor(wanted)], wanted, now)).toEqual({ until: undefined });
});

test.each([
  ["the second of the CA's names", `ca.test; accounturi=${accountUrl}`],
  ['no spaces', `authority.test;accounturi=${accountUrl}`],
  ['spaces and tabs everywhere', `  Authority.TEST. \t; accounturi = ${accountUrl} ;\tfoo=bar `],
  ['a parameter of the future', `authority.test; accounturi=${accountUrl}; colour=red`],
  ['a policy that is not known', `authority.test; accounturi=${accountUrl}; policy=narrow`],
  ['a wildcard where none is needed', `authority.test; ACCOUNTURI=${accountUrl}; Policy=WILDCARD`],
  ['an end in the future', `authority.test; accounturi=${accountUrl}; persistUntil=${seconds('2026-11-24T03:00:01Z')}`],
])('a record with %s allows it', (_, record) => {
  expect(readGrant(['v=spf1 -all', 'other.test; accounturi=x', record], grant, now)).toMatchObject({});
  expect(typeof readGrant([record], grant, now)).toBe('object');
});

test.each([
  ['nothing', [], /no record is for authority\.test or ca\.test/],
  ['another CA', [`other.test; accounturi=${accountUrl}`], /no record is for/],
  ['no account', ['authority.test'], /has no accounturi/],
  ['another account', ['authority.test; accounturi=https://ca.test/acct/124'], /is for another account/],
  ['the account in another spelling', ['authority.test; accounturi=https://CA.test/acct/123'], /another account/],
  [
    'an end in the past',
    [`authority.test; accounturi=${accountUrl}; persistUntil=${seconds('2026-11-24T02:59:59Z')}`],
    /over on 2026-11-24T02:59:59/,
  ],
  [
    'an end that is none',
    [`authority.test; accounturi=${accountUrl}; persistUntil=2027-01-01`],
    /not a number of seconds/,
  ],
  ['a parameter twice', [`authority.test; accounturi=${accountUrl}; accounturi=${accountUrl}`], /has accounturi twice/],
  ['a parameter without a value', [`authority.test; accounturi`], /is malformed/],
  ['a semicolon at the end', [`authority.test; accounturi=${accountUrl};`], /is malformed/],
])('records with %s do not, and it is said why', (_, records, why) => {
  expect(readGrant(records, grant, now)).toMatch(why);
});

test('a wildcard needs its policy, in any case', () => {
  expect(readGrant([recordFor(grant)], wild, now)).toMatch(/policy=wildcard/);
  expect(readGrant([`${recordFor(grant)}; policy=WildCard`], wild, now)).toEqual({ until: undefined });
});

test('of several that allow it, the one that lasts longest counts, and one bad one harms no good one', () => {
  const until = (text: string) => `${recordFor(grant)}; persistUntil=${seconds(text)}`;
  const [soon, late] = ['2026-12-01T00:00:00Z', '2027-12-01T00:00:00Z'];
  expect(readGrant(['authority.test', until(soon), until(late)], grant, now)).toEqual({ until: new Date(late) });
  expect(readGrant([until(late), recordFor(grant)], grant, now)).toEqual({ until: undefined });
});
