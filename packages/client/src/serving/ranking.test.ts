import { evolve, type ManagedCertificate } from '@certbus/events';
import { expect, test } from 'vitest';
import { rank } from './ranking.ts';

const NOW = new Date('2026-11-24T00:00:00Z');
const day = (n: number) => new Date(NOW.getTime() + n * 86_400_000).toISOString();

function certificate(
  id: string,
  names: readonly string[],
  ...spans: readonly (readonly [number, number])[]
): ManagedCertificate {
  let state: ManagedCertificate | undefined;
  for (const [from, to] of spans) {
    const event = {
      type: 'CertificateImported' as const,
      certificateId: id,
      names,
      leaf: Buffer.from(`${id} ${from}`).toString('base64'),
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
  rank(certificates, name, NOW).map(
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

test('a successor comes before its predecessor, and a valid predecessor before an expired successor', () => {
  expect(order([certificate('a', ['www.a.test'], [-60, 30], [-1, 89])])).toEqual(['a', 'a before']);
  expect(order([certificate('a', ['www.a.test'], [-60, 30], [-9, -1])])).toEqual(['a before', 'a']);
});

test('equals are told apart by id, the same way on every server', () => {
  const [one, two] = [certificate('one', ['www.a.test'], [-1, 5]), certificate('two', ['www.a.test'], [-1, 5])];
  expect(order([one, two])).toEqual(order([two, one]));
});
