/** What lists of certificates show: states, filters, order, columns. */
import { dutyOf, urgentAt } from '@certbus/events';
import { describe, expect, test } from 'vitest';
import { certificate, FAILURE, inDays, issuance, NOW } from './certificates.builders.ts';
import { compare, coveringCertificates } from './comparison.ts';
import { parseDuration } from './duration.ts';
import { checkFilters, createFilter, inAscii, nameFilter, type Row, rowOf, sortRows, tableOf } from './listing.ts';
import { parseServerAddress } from './served.ts';
import { statusOf } from './status.ts';

/** A look at DNS that found a name gone. */
const LOST = {
  names: ['a.test'],
  loss: 'gone',
  detail: 'a.test does not exist in DNS (NXDOMAIN)',
  since: inDays(-1),
  seenAt: inDays(-0.5),
  notBefore: inDays(0.5),
} as const;

describe('the state of a certificate', () => {
  test.each([
    ['that has two thirds of its time left', certificate(), { status: 'valid' }],
    ['that is at its ordinary time', certificate({ endsInDays: 29 }), { status: 'due' }],
    ['that its CA revoked', certificate({ revoked: true }), { status: 'due', why: 'its CA revoked it' }],
    [
      'that a manager renews',
      certificate({ issuance: issuance('m1') }),
      { status: 'renewing', why: 'm1 is at work on it' },
    ],
    [
      'whose manager was lost in the middle',
      certificate({ issuance: { ...issuance('m1'), until: inDays(-1 / 24) } }),
      { status: 'due', why: 'an attempt was interrupted' },
    ],
    [
      'whose renewal was interrupted',
      certificate({ issuance: issuance(undefined) }),
      { status: 'due', why: 'an attempt was interrupted' },
    ],
    ['whose renewal failed', certificate({ failure: FAILURE }), { status: 'failing', why: 'no TXT record' }],
    [
      'whose CA is down, and that failed before',
      certificate({ failure: { ...FAILURE, detail: 'HTTP 503', own: FAILURE } }),
      { status: 'failing', why: 'no TXT record' },
    ],
    [
      'whose names left our control',
      certificate({ lost: LOST, failure: FAILURE }),
      { status: 'failing', why: 'a.test does not exist in DNS (NXDOMAIN)' },
    ],
    ['that ends soon', certificate({ endsInDays: 10 }), { status: 'expiring' }],
    ['that has ended', certificate({ endsInDays: -1, failure: FAILURE }), { status: 'expired', why: 'no TXT record' }],
    ['that ends now', certificate({ endsInDays: 0 }), { status: 'expired' }],
    [
      'that was never issued',
      certificate({ current: undefined, failure: FAILURE }),
      { status: 'not-issued', why: 'no TXT record' },
    ],
    [
      'that was just asked for',
      certificate({ current: undefined }),
      { status: 'not-issued', why: 'it was not tried yet' },
    ],
    ['that was imported', certificate({ directory: undefined, challengeType: undefined }), { status: 'valid' }],
  ])('%s', (_, given, expected) => {
    expect(statusOf(given, NOW)).toEqual(expected);
  });
});

test('a certificate that is listed by its dates alone has the row that it has as a whole, all its life long', () => {
  const whole = certificate({ keyType: 'P-384' });
  const { certificateId, names, challengeType, directory, keyType, current } = whole;
  const [wantedAt, urgent] = [dutyOf(whole)?.wantedAt, urgentAt(whole)];
  if (!current || !wantedAt || !urgent) throw new TypeError('it is served and renewed');
  const dates = { notAfter: Date.parse(current.notAfter), urgentAt: urgent.getTime(), wantedAt: wantedAt.getTime() };
  const plain = { certificateId, names, challengeType, directory, keyType, ...dates };
  const around = Object.values(dates).flatMap((at) => [-1, 0, 1].map((ms) => new Date(at + ms)));
  const statuses = around.map((at) => {
    expect(rowOf(plain, at)).toEqual(rowOf(whole, at));
    return rowOf(plain, at).status;
  });
  expect(new Set(statuses)).toEqual(new Set(['valid', 'due', 'expiring', 'expired']));
});

const ROWS: readonly Row[] = [
  certificate({ certificateId: 'c1', names: ['*.example.com', 'example.com'], endsInDays: 50 }),
  certificate({ certificateId: 'c2', names: ['shop.example.com'], failure: FAILURE, endsInDays: 14 }),
  certificate({ certificateId: 'c3', names: ['xn--bcher-kva.test'], directory: 'https://staging.test/dir' }),
  certificate({ certificateId: 'c4', names: ['new.test'], current: undefined }),
  certificate({ certificateId: 'c5', names: ['notexample.com'], endsInDays: -1 }),
].map((each) => rowOf(each, NOW));

const LETS_ENCRYPT: readonly Row[] = [
  certificate({ certificateId: 'staged', directory: 'https://acme-staging-v02.api.letsencrypt.org/directory' }),
  certificate({ certificateId: 'real', directory: 'https://acme-v02.api.letsencrypt.org/directory' }),
].map((each) => rowOf(each, NOW));

test.each([
  ['production', ['real']],
  ['letsencrypt', ['real']],
  ['staging', ['staged']],
  ['letsencrypt-staging', ['staged']],
  ['LetsEncrypt.org', ['staged', 'real']],
])('the authority %s is that of %j', (authority, expected) => {
  const ids = LETS_ENCRYPT.filter(createFilter({ authority })).map(({ certificateId }) => certificateId);
  expect(ids).toEqual(expected);
});

test('an authority that no certificate is of is refused with the ones that look like it', () => {
  const [staged, real] = LETS_ENCRYPT;
  if (!staged || !real) throw new TypeError('there are two');
  const check = (rows: readonly Row[], authority: string) => () => checkFilters(rows, { authority });
  expect(check([staged], 'letsencrypt')).toThrow('No managed certificate fits --authority "letsencrypt".');
  expect(check([staged, real], 'prodution')).toThrow('Did you mean "production"?');
  expect(check([staged, real], 'production')).not.toThrow();
});

const kept = (filters: Parameters<typeof createFilter>[0]): string =>
  ROWS.filter(createFilter(filters))
    .map(({ certificateId }) => certificateId.slice(1))
    .join('');

test.each([
  [{}, '12345'],
  [{ endingBy: new Date(inDays(14)) }, '25'],
  [{ isFailing: true }, '245'],
  [{ name: 'example.com' }, '1'],
  [{ name: '*.example.com' }, '12'],
  [{ name: '*example.com' }, '125'],
  [{ name: 'BÜCHER.test.' }, '3'],
  [{ name: '*bücher.test' }, '3'],
  [{ name: 'Bü*' }, '3'],
  [{ name: 'bücher(.test' }, ''],
  [{ name: '*.test' }, '34'],
  [{ name: 'example.co.' }, ''],
  [{ authority: 'Staging' }, '3'],
  [{ authority: 'ca.test', isFailing: true, name: '*.com' }, '25'],
])('%j keeps %s', (filters, expected) => {
  expect(kept(filters)).toBe(expected);
});

test.each([
  ['163.test', '163.test'],
  ['*.0x10.2024.TEST.', '*.0x10.2024.test'],
  ['１６３.test', '163.test'],
  ['1.bücher.test', '1.xn--bcher-kva.test'],
  ['192.0.2.7', '192.0.2.7'],
  ['2001:DB8:0:0::1', '2001:db8::1'],
  ['2001:DB8:*', '2001:db8:*'],
])('the name %s is looked for as %s: a label of digits is not an IP address', (typed, stored) => {
  expect(inAscii(typed)).toBe(stored);
  expect(nameFilter(typed)([stored.replace('*', 'a')])).toBe(true);
});

test.each([
  ['expires', '45213'],
  ['name', '12543'],
  ['status', '54213'],
  ['id', '12345'],
] as const)('sorted by %s: %s', (by, expected) => {
  const ids = sortRows(ROWS.toReversed(), by).map(({ certificateId }) => certificateId.slice(1));
  expect(ids.join('')).toBe(expected);
});

test('columns: IDNs and reasons for people, the stored form for programs; an unknown one is named', () => {
  const rows = [ROWS[2], ROWS[3]].filter((row) => row !== undefined);
  expect(tableOf(rows, 'names, status', { isTerminal: true }).rows).toEqual([
    ['bücher.test', 'valid'],
    ['new.test', 'not-issued: it was not tried yet'],
  ]);
  expect(tableOf(rows, 'names,status,expires,authority,key', { isTerminal: false })).toEqual({
    header: ['names', 'status', 'expires (UTC)', 'authority', 'key'],
    rows: [
      ['xn--bcher-kva.test', 'valid', '2027-04-01 12:00', 'staging.test', 'P-256'],
      ['new.test', 'not-issued', 'not issued', 'ca.test', 'P-256'],
    ],
  });
  for (const wrong of ['colour', 'constructor', '__proto__'])
    expect(() => tableOf([], `id,${wrong}`, { isTerminal: false })).toThrow(
      `"${wrong}" is not a column. There are: id,`,
    );
});

test.each([
  ['90m', 5_400_000],
  ['36h', 129_600_000],
  ['14d', 1_209_600_000],
  ['2w', 1_209_600_000],
])('%s is %i milliseconds', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each(['', '14', 'd', '-1d', '1.5d', '1y', '1d 2h', '9999999d'])('"%s" is not a length of time', (text) => {
  expect(() => parseDuration(text)).toThrow(/not a length of time/);
});

describe('what a server serves', () => {
  const exact = certificate({ certificateId: 'c1', names: ['shop.example.com'] });
  const wildcard = certificate({ certificateId: 'c2', names: ['*.example.com'] });

  test('is held against the certificates with the exact name, else with a wildcard', () => {
    const ids = (name: string) => coveringCertificates([wildcard, exact], name).map((each) => each.certificateId);
    expect([ids('shop.example.com'), ids('api.example.com'), ids('example.com')]).toEqual([['c1'], ['c2'], []]);
  });

  const older = certificate({ predecessors: exact.current ? [{ ...exact.current, leafHash: 'before' }] : [] });
  test.each([
    ['the current one', [exact, older], 'leaf-c1', 'same'],
    ['one that was replaced', [older], 'before', 'older'],
    ['one from elsewhere', [exact], 'foreign', 'other'],
    ['one for a name that was never issued', [certificate({ current: undefined })], 'foreign', 'not-issued'],
    ['one for a name that is not managed', [], 'foreign', 'unmanaged'],
  ] as const)('%s', (_, certificates, leafHash, verdict) => {
    expect(compare(certificates, leafHash)).toBe(verdict);
  });

  test.each([
    ['example.com', { host: 'example.com', port: 443 }],
    ['example.com:8443', { host: 'example.com', port: 8443 }],
    ['192.0.2.7:1', { host: '192.0.2.7', port: 1 }],
    ['2001:db8::1', { host: '2001:db8::1', port: 443 }],
    ['[2001:db8::1]:8443', { host: '2001:db8::1', port: 8443 }],
  ])('at %s', (text, address) => {
    expect(parseServerAddress(text)).toEqual(address);
  });

  test.each(['', 'https://example.com', 'example.com:', 'a:99999', 'a:0', '[a]:1', 'a b', ':443'])(
    'not at "%s"',
    (text) => {
      expect(() => parseServerAddress(text)).toThrow(/is not a server/);
    },
  );
});
