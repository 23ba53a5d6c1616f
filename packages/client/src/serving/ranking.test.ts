import type { webcrypto } from 'node:crypto';
import type { ManagedCertificate } from '@certbus/events';
import { evolve } from '@certbus/events/history';
import { createIssuer, createKeys, createLeaf } from 'certbus-services';
import { expect, test } from 'vitest';
import { rank } from './ranking.ts';

const NOW = new Date('2026-11-24T00:00:00Z');
const day = (n: number) => new Date(NOW.getTime() + n * 86_400_000).toISOString();

function certificate(
  id: string,
  names: readonly string[],
  ...spans: readonly (readonly [number, number, string?])[]
): ManagedCertificate {
  let state: ManagedCertificate | undefined;
  for (const [from, to, leaf = Buffer.from(`${id} ${from}`).toString('base64')] of spans) {
    const event = {
      type: 'CertificateImported' as const,
      certificateId: id,
      names,
      leaf,
      issuers: [],
      sealedKey: '',
      serialNumber: '0A',
      notBefore: day(from),
      notAfter: day(to),
    };
    state = evolve(state, event, { at: new Date(day(from)) });
  }
  if (!state) throw new TypeError('at least one span');
  return state;
}

const order = (certificates: readonly ManagedCertificate[], name = 'www.a.test') =>
  rank(certificates, name, { now: NOW }).candidates.map(
    ({ certificateId, isPredecessor }) => certificateId + (isPredecessor ? ' before' : ''),
  );

test('what is valid now comes before what is not', () => {
  expect(
    order([certificate('expired', ['www.a.test'], [-90, -1]), certificate('valid', ['*.a.test'], [-1, 5])]),
  ).toEqual(['valid', 'expired']);
  expect(
    order([certificate('future', ['www.a.test'], [1, 90]), certificate('valid', ['www.a.test'], [-1, 5])]),
  ).toEqual(['valid', 'future']);
});

test('an exact name comes before a wildcard, then the later expiry', () => {
  const all = [
    certificate('wildcard', ['*.a.test'], [-1, 80]),
    certificate('short', ['www.a.test'], [-1, 5]),
    certificate('long', ['www.a.test'], [-1, 50]),
  ];
  expect(order(all)).toEqual(['long', 'short', 'wildcard']);
});

test('a clock that jumps back behind the newest commit makes no predecessor the better one', () => {
  const renewed = certificate('a', ['www.a.test'], [-60, 30], [-1, 89]);
  const backThen = new Date(day(-20));
  const orderBy = (begun?: Date) =>
    rank([renewed], 'www.a.test', { now: backThen, begun }).candidates.map(({ isPredecessor }) => isPredecessor);
  expect(orderBy()).toEqual([true, false]);
  expect(orderBy(NOW)).toEqual([false, true]);
});

test('a successor comes before its predecessor, and a valid predecessor before an expired successor', () => {
  expect(order([certificate('a', ['www.a.test'], [-60, 30], [-1, 89])])).toEqual(['a', 'a before']);
  expect(order([certificate('a', ['www.a.test'], [-60, 30], [-9, -1])])).toEqual(['a before', 'a']);
});

test('a predecessor that outlives its successor comes behind it, for as long as the successor is valid', () => {
  expect(order([certificate('a', ['www.a.test'], [-60, 89], [-1, 30])])).toEqual(['a', 'a before']);
  expect(order([certificate('a', ['www.a.test'], [-60, 89], [-50, 80], [-1, 30])])[0]).toBe('a');
  expect(order([certificate('a', ['www.a.test'], [-60, 89], [-9, -1])])).toEqual(['a before', 'a']);
});

test('equals are told apart by id, the same way on every server', () => {
  const [one, two] = [certificate('one', ['www.a.test'], [-1, 5]), certificate('two', ['www.a.test'], [-1, 5])];
  expect(order([one, two])).toEqual(order([two, one]));
});

test.each([
  ['a successor that has not begun', [certificate('a', ['www.a.test'], [-60, 30], [0.001, 89])], 0.001],
  [
    'another certificate that has not begun',
    [certificate('a', ['www.a.test'], [-60, 30]), certificate('b', ['*.a.test'], [2, 90])],
    2,
  ],
  [
    'the end of the first',
    [certificate('a', ['www.a.test'], [-60, 30]), certificate('b', ['www.a.test'], [-60, 20])],
    20,
  ],
])('the order holds until it can change: %s', (_, certificates, days) => {
  expect(rank(certificates, 'www.a.test', { now: NOW }).until).toEqual(new Date(day(days)));
});

test('where all have ended, nothing changes by itself', () => {
  expect(rank([certificate('a', ['www.a.test'], [-60, -1])], 'www.a.test', { now: NOW }).until).toBeUndefined();
});

test('of an RSA and an ECDSA certificate for one name RSA comes first, whichever was renewed last', async () => {
  const issuer = await createIssuer('Root');
  const rsaKeys = await crypto.subtle.generateKey(
    { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' },
    true,
    ['sign', 'verify'],
  );
  const leafOf = async (publicKey: webcrypto.CryptoKey) =>
    Buffer.from((await createLeaf({ issuer, names: ['www.a.test'], publicKey })).rawData).toString('base64');
  const [older, rsa] = [await leafOf(rsaKeys.publicKey), await leafOf(rsaKeys.publicKey)];
  const ecdsa = await leafOf((await createKeys()).publicKey);
  for (const [rsaEnd, ecdsaEnd] of [
    [50, 80],
    [80, 50],
  ] as const) {
    const both = [
      certificate('rsa', ['www.a.test'], [-60, 20, older], [-1, rsaEnd, rsa]),
      certificate('ecdsa', ['www.a.test'], [-1, ecdsaEnd, ecdsa]),
    ];
    expect(rank(both, 'www.a.test', { now: NOW }).hasKeyTypes).toBe(true);
    expect(order(both)).toEqual(['rsa', 'rsa before', 'ecdsa']);
    expect(order(both.toReversed())).toEqual(['rsa', 'rsa before', 'ecdsa']);
  }
  expect(
    order([certificate('rsa', ['*.a.test'], [-1, 50, rsa]), certificate('ecdsa', ['www.a.test'], [-1, 5, ecdsa])]),
  ).toEqual(['ecdsa', 'rsa']);
});

test('a certificate of an expelled manager ranks behind every other that is valid, and not behind one that has ended', () => {
  const good = certificate('good', ['*.a.test'], [-10, 20]);
  const ended = certificate('ended', ['www.a.test'], [-40, -5]);
  const evil = certificate('evil', ['www.a.test'], [-10, 80]);
  const marked = { ...evil, current: evil.current && { ...evil.current, distrusted: true as const } };
  expect(order([marked, good])).toEqual(['good', 'evil']);
  expect(order([marked, ended])).toEqual(['evil', 'ended']);
});

test('a stand-in for other names is not shown for this one, nor the certificate for its names', () => {
  const good = certificate('good', ['www.a.test'], [-10, 20]);
  const other = certificate('other', ['b.test'], [-10, 80]).current;
  const both = { ...good, predecessors: other ? [{ ...other, distrusted: true as const }] : [] };
  expect(order([both])).toEqual(['good']);
  expect(order([both], 'b.test')).toEqual(['good before']);
});
