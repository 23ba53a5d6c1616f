/** Tests of what can be revoked of certificates that were replaced. */
import type { IssuedCertificate, ManagedCertificate } from '@certbus/events';
import type { WrittenEvent } from '@certbus/events/history';
import { expect, test } from 'vitest';
import { asAgreed, asOnBus, keptBy, recordRevocation, revocableIn, servedAs } from './revocation.ts';
import { given } from './state.builders.ts';

const NOW = new Date('2026-11-24T03:00:00Z');
const HOUR_MS = 3_600_000;
const inHours = (hours: number) => new Date(NOW.getTime() + hours * HOUR_MS);
const certificateId = 'certificate1';
const directory = 'https://ca.test/dir';

interface Which {
  readonly id?: string;
  /** Whether no CA that is known here issued it. */
  readonly isForeign?: boolean;
}

const content = (leaf: string, sinceHours: number, { id = certificateId }: Which) => ({
  certificateId: id,
  names: ['shop.test'],
  leaf: Buffer.from(leaf).toString('base64'),
  issuers: [],
  sealedKey: 'a2V5',
  serialNumber: '0A',
  notBefore: inHours(sinceHours).toISOString(),
  notAfter: inHours(2_000).toISOString(),
});
const obtained = (leaf: string, sinceHours: number, which: Which = {}): WrittenEvent => {
  const how = { issuanceId: 'issuance1', reason: 'renewal', challengeType: 'dns-01', directory } as const;
  return { type: 'CertificateObtained', ...content(leaf, sinceHours, which), ...how };
};
const imported = (leaf: string, sinceHours: number, which: Which = {}): WrittenEvent => ({
  type: 'CertificateImported',
  ...content(leaf, sinceHours, which),
  ...(which.isForeign ? {} : { issuedBy: directory }),
});

/** What can be revoked where only leaves of this text are meant. */
function found(meant: string, now: Date, ...events: readonly (readonly [WrittenEvent, Date])[]) {
  const certificate = given(...events).certificate(certificateId);
  if (!certificate) throw new TypeError('it is there');
  const fits = (_: ManagedCertificate, { leaf }: IssuedCertificate) => leaf === Buffer.from(meant).toString('base64');
  return [...revocableIn(certificate, { fits, now, servedForMs: HOUR_MS })];
}

test.each([
  ['was obtained', obtained],
  ['was imported', imported],
])('a replacement that %s counts as served from its commit on, however long ago it was issued', (_, replacement) => {
  const events = [
    [obtained('old', -500), inHours(-500)],
    [replacement('new', -300), inHours(-0.5)],
  ] as const;
  expect(found('old', NOW, ...events)).toMatchObject([{ state: 'waiting', until: inHours(0.5) }]);
  expect(found('old', inHours(0.5), ...events)).toMatchObject([{ state: 'ready' }]);
  expect(found('new', NOW, ...events)).toMatchObject([{ state: 'not-replaced' }]);
});

test('what was replaced any number of times, or removed, is found until it ends or is revoked', () => {
  const events = Array.from({ length: 9 }, (_, n) => [obtained(`leaf ${n}`, n - 500), inHours(n - 500)] as const);
  const removed = (hours: number) => [{ type: 'CertificateRemoved', certificateId }, inHours(hours)] as const;
  const [oldest] = found('leaf 0', NOW, ...events);
  expect(oldest).toMatchObject({ state: 'ready' });
  expect(found('leaf 0', inHours(2_000), ...events)).toEqual([]);
  for (const leaf of ['leaf 0', 'leaf 8']) {
    expect(found(leaf, NOW, ...events, removed(-1))).toMatchObject([{ state: 'ready' }]);
    expect(found(leaf, NOW, ...events, removed(-0.5))).toMatchObject([{ state: 'waiting', until: inHours(0.5) }]);
  }
  const { leafHash = '' } = oldest ?? {};
  const revoke = (...before: readonly (readonly [WrittenEvent, Date])[]) =>
    recordRevocation(given(...before), { certificateId, leafHash, reason: 1 }).events;
  for (const before of [events, [...events, removed(-1)]]) {
    const [event, ...others] = revoke(...before);
    expect(others).toEqual([]);
    if (!event) throw new TypeError('it is recorded');
    expect(found('leaf 0', NOW, ...before, [event, NOW])).toEqual([]);
    expect(revoke(...before, [event, NOW])).toEqual([]);
  }
});

test('what was revoked before its certificate was removed is not found', () => {
  const [current] = found('new', NOW, [obtained('new', -2), inHours(-2)]);
  const revoked = { type: 'CertificateRevoked', certificateId, leafHash: current?.leafHash ?? '', reason: 1 } as const;
  const removed = { type: 'CertificateRemoved', certificateId } as const;
  expect(found('new', NOW, [obtained('new', -2), inHours(-2)], [revoked, inHours(-2)], [removed, inHours(-2)])).toEqual(
    [],
  );
});

test('what was removed and imported again is revoked once neither certificate needs it', () => {
  const timing = { now: NOW, servedForMs: HOUR_MS };
  const remove = (id: string, hours: number) =>
    [{ type: 'CertificateRemoved', certificateId: id }, inHours(hours)] as const;
  const before = [[imported('leaf', -500), inHours(-9)], remove(certificateId, -8)] as const;
  const again = [imported('leaf', -500, { id: 'certificate2' }), inHours(-7)] as const;
  const renew = (hours: number) => [obtained('new', hours, { id: 'certificate2' }), inHours(hours)] as const;
  function stateBehind(...more: readonly (readonly [WrittenEvent, Date])[]) {
    const state = given(...before, ...more);
    const removed = [...state.retired(NOW)];
    const kept = Map.groupBy(
      removed.flatMap((each) => keptBy(each, timing)),
      ({ leafHash }) => leafHash,
    );
    const own = removed.filter((each) => each.certificateId === certificateId);
    return own
      .flatMap((each) => [...revocableIn(each, { fits: () => true, ...timing })])
      .map((each) => asOnBus(state, each, { kept, ...timing }));
  }
  expect(stateBehind()).toMatchObject([{ state: 'ready', isRemoved: true }]);
  expect(stateBehind(again)).toMatchObject([{ state: 'not-replaced', isRemoved: true }]);
  for (const end of [renew, (hours: number) => remove('certificate2', hours)]) {
    expect(stateBehind(again, end(-0.5))).toMatchObject([{ state: 'waiting', until: inHours(0.5) }]);
    expect(stateBehind(again, end(-1))).toMatchObject([{ state: 'ready' }]);
  }
});

test('what a CA issued that is not known here is for nobody here to revoke, and not a failure', () => {
  const old = [imported('old', -500, { isForeign: true }), inHours(-500)] as const;
  const renewed = (hours: number) => [obtained('new', hours), inHours(hours)] as const;
  expect(found('old', NOW, old)).toMatchObject([{ state: 'not-replaced' }]);
  expect(found('old', NOW, old, renewed(-0.5))).toMatchObject([{ state: 'waiting' }]);
  expect(found('old', NOW, old, renewed(-2))).toMatchObject([{ state: 'elsewhere' }]);
  const removed = [{ type: 'CertificateRemoved', certificateId }, inHours(-2)] as const;
  expect(found('old', NOW, old, removed)).toMatchObject([{ state: 'elsewhere', isRemoved: true }]);
});

test('only what people agreed to is revoked: what became ready after they were asked waits', () => {
  const ready = (leaf: string) =>
    found(leaf, NOW, [obtained(leaf, -500), inHours(-500)], [obtained('new', -2), inHours(-2)]);
  const all = [...ready('shown'), ...ready('since')];
  expect(all).toMatchObject([{ state: 'ready' }, { state: 'ready' }]);
  const leafHashes = ready('shown').map(({ leafHash }) => leafHash);
  expect(asAgreed(all, { leafHashes, now: NOW })).toMatchObject([
    { leafHash: leafHashes[0], state: 'ready' },
    { state: 'waiting', until: NOW },
  ]);
  expect(asAgreed(all, { leafHashes: undefined, now: NOW })).toEqual(all);
});

test('a leaf is served as each certificate that has it, the one that it was found in first, and not as one that has replaced it', () => {
  const [one, two] = [{ id: 'certificate1' }, { id: 'certificate2' }];
  const before = [
    [imported('leaf', -9, one), inHours(-9)],
    [imported('leaf', -8, two), inHours(-8)],
  ] as const;
  const idsOf = (state: ReturnType<typeof given>, id: string) => {
    const certificate = state.certificate(id);
    const { leafHash = '' } = given(...before).certificate(id)?.current ?? {};
    if (!certificate) throw new TypeError('it is there');
    return servedAs(state, certificate, leafHash).map((each) => each.certificateId);
  };
  expect(idsOf(given(...before), one.id)).toEqual([one.id, two.id]);
  expect(idsOf(given(...before), two.id)).toEqual([two.id, one.id]);
  const replaced = given(...before, [obtained('newer', -1, one), inHours(-1)]);
  expect(idsOf(replaced, one.id)).toEqual([two.id]);
  expect(idsOf(given(...before, [{ type: 'CertificateRemoved', certificateId: two.id }, NOW]), one.id)).toEqual([
    one.id,
  ]);
});
