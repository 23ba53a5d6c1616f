import { expect, test } from 'vitest';
import { type CaaRecord, caaRecordsFor, objectionOf, parseIssueValue } from './caa.ts';

const NEVER_CRITICAL = { isCritical: false };
const issue = (value: string): CaaRecord => ({ ...NEVER_CRITICAL, tag: 'issue', value });
const issuewild = (value: string): CaaRecord => ({ ...NEVER_CRITICAL, tag: 'issuewild', value });
const account = 'https://example.net/account/1234';

function isAllowed(records: readonly CaaRecord[], issuer: string, more: object = {}): boolean {
  return objectionOf(records, { issuers: [issuer], isWildcard: false, ...more }) === undefined;
}

test.each<[string, CaaRecord[], string, object, boolean]>([
  // RFC 8659 §4.2.
  ['one CA', [issue('ca1.example.net')], 'ca1.example.net', {}, true],
  ['one CA', [issue('ca1.example.net')], 'ca2.example.org', {}, false],
  ['a parameter that is the CA’s own', [issue('ca1.example.net; account=230123')], 'ca1.example.net', {}, true],
  ['two CAs', [issue('ca1.example.net'), issue('ca2.example.org')], 'ca2.example.org', {}, true],
  ['nobody', [issue(';')], 'ca1.example.net', {}, false],
  ['nobody, beside somebody', [issue(';'), issue('ca1.example.net')], 'ca1.example.net', {}, true],
  ['nonsense', [issue('%%%%%')], 'ca1.example.net', {}, false],
  // RFC 8659 §4.3.
  ['wild.example.com', [issue('ca1.example.net'), issuewild('ca2.example.org')], 'ca1.example.net', {}, true],
  ['wild.example.com', [issue('ca1.example.net'), issuewild('ca2.example.org')], 'ca2.example.org', {}, false],
  [
    '*.wild.example.com',
    [issue('ca1.example.net'), issuewild('ca2.example.org')],
    'ca2.example.org',
    { isWildcard: true },
    true,
  ],
  [
    '*.wild.example.com',
    [issue('ca1.example.net'), issuewild('ca2.example.org')],
    'ca1.example.net',
    { isWildcard: true },
    false,
  ],
  ['*.wild2.example.com', [issue('ca1.example.net')], 'ca1.example.net', { isWildcard: true }, true],
  ['wild3.example.com', [issuewild('ca2.example.org'), issue(';')], 'ca2.example.org', {}, false],
  ['*.wild3.example.com', [issuewild('ca2.example.org'), issue(';')], 'ca2.example.org', { isWildcard: true }, true],
  ['a name with issuewild alone', [issuewild('ca2.example.org')], 'ca1.example.net', {}, true],
  // RFC 8659 §4.4, §4.5: of no weight here.
  ['iodef alone', [{ isCritical: true, tag: 'iodef', value: 'mailto:s@example.com' }], 'ca1.example.net', {}, true],
  ['new.example.com', [{ isCritical: true, tag: 'tbs', value: 'Unknown' }], 'ca1.example.net', {}, false],
  ['an unknown property that may be passed by', [{ ...NEVER_CRITICAL, tag: 'tbs', value: 'x' }], 'a.test', {}, true],
  // RFC 8657 appendix A.
  ['an account', [issue(`example.net; accounturi=${account}`)], 'example.net', { accountUrl: account }, true],
  ['an account', [issue(`example.net; accounturi=${account}`)], 'example.net', { accountUrl: `${account}5` }, false],
  ['an account, and none is known', [issue(`example.net; accounturi=${account}`)], 'example.net', {}, false],
  [
    'two accounts in two records',
    [issue(`example.net; accounturi=${account}`), issue(`example.net; accounturi=${account}5`)],
    'example.net',
    { accountUrl: `${account}5` },
    true,
  ],
  [
    'two accounts in one record',
    [issue(`example.net; accounturi=${account}; accounturi=${account}`)],
    'example.net',
    { accountUrl: account },
    false,
  ],
  ['a method', [issue('example.net; validationmethods=dns-01')], 'example.net', { challengeType: 'dns-01' }, true],
  ['a method', [issue('example.net; validationmethods=dns-01')], 'example.net', { challengeType: 'http-01' }, false],
  [
    'several methods',
    [issue('example.net; validationmethods=ca-custom,dns-01')],
    'example.net',
    { challengeType: 'dns-01' },
    true,
  ],
  [
    'methods twice',
    [issue('example.net; validationmethods=dns-01; validationmethods=dns-01')],
    'example.net',
    { challengeType: 'dns-01' },
    false,
  ],
  ['no method at all', [issue('example.net; validationmethods=')], 'example.net', { challengeType: 'dns-01' }, false],
  [
    'account and method',
    [issue(`example.net; accounturi=${account}; validationmethods=dns-01`)],
    'example.net',
    { accountUrl: account, challengeType: 'dns-01' },
    true,
  ],
  [
    'account and method, of two records',
    [issue(`example.net; accounturi=${account}; validationmethods=http-01`), issue('example.net; accounturi=other:x')],
    'example.net',
    { accountUrl: account, challengeType: 'dns-01' },
    false,
  ],
  ['capitals', [issue('Example.NET')], 'example.net', {}, true],
])('%s: %j by %s with %j', (_, records, issuer, more, expected) => {
  expect(isAllowed(records, issuer, more)).toBe(expected);
});

test('the objection names what is allowed', () => {
  const why = objectionOf([issue('other.test')], { issuers: ['ca.test'], isWildcard: false });
  expect(why).toBe('allows only issue "other.test", and not ca.test with this account and challenge');
});

test.each<[string, ReturnType<typeof parseIssueValue>]>([
  ['', { issuer: '', parameters: [] }],
  [' ; ', { issuer: '', parameters: [] }],
  ['ca.test ;a=b ; ', { issuer: 'ca.test', parameters: [{ name: 'a', value: 'b' }] }],
  ['ca.test;A-b = c=d,e', { issuer: 'ca.test', parameters: [{ name: 'a-b', value: 'c=d,e' }] }],
  ['ca.test;;a=b', undefined],
  ['ca.test;a', undefined],
  ['ca.test;=b', undefined],
  ['ca.test;a=b c', undefined],
  ['ca..test', undefined],
  ['-ca.test', undefined],
  ['ca test', undefined],
])('the value %j is %j', (text, expected) => {
  expect(parseIssueValue(text)).toEqual(expected);
});

test('a long value is read in no time', () => {
  expect(parseIssueValue(`${'a-'.repeat(50_000)};`)).toBeUndefined();
});

test('the records to set bind to account and challenge, and let through what they are for', () => {
  const policy = { issuer: 'ca.test', accountUrl: account, challengeTypes: ['dns-01', 'http-01'] };
  expect(caaRecordsFor(['*.a.test', 'a.test', '*.b.test'], policy)).toEqual([
    `a.test. IN CAA 0 issue "ca.test; accounturi=${account}; validationmethods=dns-01,http-01"`,
    `b.test. IN CAA 0 issuewild "ca.test; accounturi=${account}; validationmethods=dns-01,http-01"`,
  ]);
  expect(caaRecordsFor(['a.test'], { issuer: 'ca.test' })).toEqual(['a.test. IN CAA 0 issue "ca.test"']);
  const value = /"(.*)"/.exec(caaRecordsFor(['a.test'], policy)[0] ?? '')?.[1] ?? '';
  expect(isAllowed([issue(value)], 'ca.test', { accountUrl: account, challengeType: 'http-01' })).toBe(true);
});

test.each(['', 'ca test', 'ca.test; x', 'ca.test"'])('no CAA record can carry the issuer %j', (issuer) => {
  expect(() => caaRecordsFor(['a.test'], { issuer })).toThrow(TypeError);
});
