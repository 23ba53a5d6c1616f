import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type {
  CertificateEvent,
  CertificateImported,
  CertificateObtained,
  IssuanceStarted,
} from '../event-types/certificate-events.ts';
import type { ManagedCertificate } from '../managed-certificate.ts';
import { nextActionAt, urgentAt } from '../renewal.ts';
import { evolve } from './evolve.ts';

const DAY = 86_400_000;
const START = Date.parse('2026-11-24T00:00:00Z');
const iso = (days: number) => new Date(START + days * DAY).toISOString();
const base64 = (text: string) => Buffer.from(text).toString('base64');
const certificateId = 'certificate1';

const started = (issuanceId: string, holder = 'alice'): IssuanceStarted => ({
  type: 'IssuanceStarted',
  issuanceId,
  certificateId,
  names: ['a.test'],
  reason: 'new',
  challengeType: 'dns-01',
  directory: 'https://ca.test/dir',
  holder,
  until: iso(1),
  csr: base64('csr'),
  sealedKey: base64('sealed'),
  recipientsPosition: 1,
});

const obtained = (issuanceId: string, leaf: string, from: number, days = 90): CertificateObtained => ({
  type: 'CertificateObtained',
  issuanceId,
  certificateId,
  reason: 'new',
  names: ['a.test'],
  leaf: base64(leaf),
  issuers: [],
  sealedKey: base64(`key of ${leaf}`),
  serialNumber: '0A',
  notBefore: iso(from),
  notAfter: iso(from + days),
  challengeType: 'dns-01',
  directory: 'https://ca.test/dir',
});

const given = (...events: readonly (readonly [CertificateEvent, number])[]): ManagedCertificate | undefined =>
  events.reduce<ManagedCertificate | undefined>(
    (certificate, [event, day]) => evolve(certificate, event, { at: new Date(START + day * DAY) }),
    undefined,
  );
const ours = { certificateId, issuanceId: 'issuance01' } as const;

describe('given a claim', () => {
  test('when the order is recorded and the certificate obtained, then it is served and the issuance closed', () => {
    const certificate = given(
      [started('issuance01'), 0],
      [{ type: 'OrderCreated', ...ours, holder: 'alice', orderUrl: 'https://ca.test/order/1' }, 0],
      [obtained('issuance01', 'leaf 1', 0), 0],
    );
    expect(certificate).toMatchObject({ issuance: undefined, current: { leaf: base64('leaf 1') }, predecessors: [] });
  });

  test('when the certificate comes back past its half-life, it is due after a third of what is left', () => {
    const late = given([started('issuance01'), 0], [obtained('issuance01', 'leaf 1', 0, 90), 75]);
    expect(late?.current?.obtainedAt).toBe(iso(75));
    expect(late && nextActionAt(late)).toEqual(new Date(iso(80)));
  });

  test('when it is taken over, the order and the sealed key stay', () => {
    const certificate = given(
      [started('issuance01'), 0],
      [{ type: 'OrderCreated', ...ours, holder: 'alice', orderUrl: 'https://ca.test/order/1' }, 0],
      [{ type: 'IssuanceTakenOver', ...ours, holder: 'bob', until: iso(2) }, 1],
    );
    expect(certificate?.issuance).toMatchObject({ holder: 'bob', until: iso(2), orderUrl: 'https://ca.test/order/1' });
    expect(certificate?.issuance?.csrs).toHaveLength(1);
  });

  test('since when it is held counts from the last change of holder, and not from what its holder adds to it', () => {
    const taken = (holder: string) => ({ type: 'IssuanceTakenOver', ...ours, holder, until: iso(9) }) as const;
    const since = (...events: readonly (readonly [CertificateEvent, number])[]) =>
      given([started('issuance01'), 0], ...events)?.issuance?.heldSince;
    expect(since([taken('alice'), 1])).toBeUndefined();
    expect(since([taken('bob'), 1], [taken('bob'), 2])).toBe(iso(1));
    expect(since([taken('bob'), 1], [taken('alice'), 2])).toBe(iso(2));
    expect(since([{ type: 'IssuanceReleased', ...ours, holder: 'alice' }, 1], [taken('alice'), 3])).toBe(iso(3));
  });

  test('when another key is put forward, both stay until the issuance closes', () => {
    const replacement = { csr: base64('csr 2'), sealedKey: base64('sealed 2'), recipientsPosition: 7 };
    const certificate = given([started('issuance01'), 0], [{ type: 'CsrReplaced', ...ours, ...replacement }, 0]);
    expect(certificate?.issuance?.csrs.map(({ recipientsPosition }) => recipientsPosition)).toEqual([1, 7]);
  });

  test('when it is released, nobody holds it and it is due at once', () => {
    const certificate = given([started('issuance01'), 0], [{ type: 'IssuanceReleased', ...ours, holder: 'alice' }, 0]);
    expect(certificate?.issuance?.holder).toBeUndefined();
    expect(certificate && nextActionAt(certificate)).toEqual(new Date(0));
  });

  test('when it fails, the next action waits for the back-off', () => {
    const failure = {
      problem: 'urn:ietf:params:acme:error:dns',
      class: 'temporary',
      detail: '',
      attempt: 1,
      notBefore: iso(3),
    } as const;
    const certificate = given([started('issuance01'), 0], [{ type: 'IssuanceFailed', ...ours, ...failure }, 0]);
    expect(certificate).toMatchObject({ issuance: undefined, failure: { attempt: 1 } });
    expect(certificate && nextActionAt(certificate)).toEqual(new Date(iso(3)));
  });

  test('when it fails in an outage, then from when on it is tried once the CA answers is known', () => {
    const failure = { problem: 'CERTBUS_ACME_UNREACHABLE', class: 'authority', detail: '', attempt: 1 } as const;
    const failed = { type: 'IssuanceFailed', ...ours, ...failure, notBefore: iso(3), retryAt: iso(1) } as const;
    expect(given([started('issuance01'), 0], [failed, 0])).toMatchObject({ failure: { retryAt: iso(1) } });
  });

  test('events of an issuance that is closed already change nothing', () => {
    const before = given([started('issuance01'), 0], [obtained('issuance01', 'leaf 1', 0), 0]);
    const late = { type: 'OrderCreated', ...ours, holder: 'alice', orderUrl: 'https://ca.test/order/1' } as const;
    expect(before && evolve(before, late, { at: new Date(START) })).toEqual(before);
  });
});

describe('given a certificate that is served', () => {
  const served = [
    [started('issuance01'), 0],
    [obtained('issuance01', 'leaf 1', 0), 0],
  ] as const;

  test('when it is renewed, the predecessor stays as long as it is valid', () => {
    const renewed = given(...served, [started('issuance02'), 60], [obtained('issuance02', 'leaf 2', 60), 60]);
    expect(renewed?.current?.leaf).toBe(base64('leaf 2'));
    expect(renewed?.predecessors.map(({ leaf }) => leaf)).toEqual([base64('leaf 1')]);
    const late = given(...served, [started('issuance02'), 100], [obtained('issuance02', 'leaf 2', 100), 100]);
    expect(late?.predecessors).toEqual([]);
  });

  test('when its key is sealed again, only that certificate changes', () => {
    const certificate = given(...served);
    const leafHash = certificate?.current?.leafHash ?? '';
    const at = { at: new Date(START) };
    const resealed = evolve(
      certificate,
      { type: 'PrivateKeyResealed', certificateId, leafHash, sealedKey: base64('new') },
      at,
    );
    const { sealedKey: formerSealedKey } = certificate?.current ?? {};
    expect(resealed?.current).toMatchObject({ sealedKey: base64('new'), formerSealedKey });
    const again = evolve(
      resealed,
      { type: 'PrivateKeyResealed', certificateId, leafHash, sealedKey: base64('newer') },
      at,
    );
    expect(again?.current).toMatchObject({ sealedKey: base64('newer'), formerSealedKey });
    const other = evolve(
      certificate,
      { type: 'PrivateKeyResealed', certificateId, leafHash: 'B'.repeat(43), sealedKey: base64('new') },
      at,
    );
    expect(other).toEqual(certificate);
  });

  test('when it is removed, nothing brings it back', () => {
    const removed = given(
      ...served,
      [{ type: 'CertificateRemoved', certificateId }, 1],
      [obtained('issuance03', 'leaf 3', 1), 1],
    );
    expect(removed).toMatchObject({ removed: true, current: undefined });
    expect(removed && nextActionAt(removed)).toBeUndefined();
  });

  test('when it is revoked, it is due at once', () => {
    const leafHash = given(...served)?.current?.leafHash ?? '';
    const revoked = given(...served, [{ type: 'CertificateRevoked', certificateId, leafHash, reason: 1 }, 1]);
    expect(revoked && nextActionAt(revoked)?.getTime()).toBe(0);
  });

  test('when its predecessor is revoked, that one is served in no case, and the certificate goes on', () => {
    const leafHash = given(...served)?.current?.leafHash ?? '';
    const renewed = [...served, [started('issuance02'), 50], [obtained('issuance02', 'leaf 2', 50), 50]] as const;
    expect(given(...renewed)?.predecessors).toHaveLength(1);
    const after = given(...renewed, [{ type: 'CertificateRevoked', certificateId, leafHash, reason: 4 }, 51]);
    expect(after).toMatchObject({ predecessors: [], revoked: false });
  });

  test('when the CA chose an instant, it counts', () => {
    const leafHash = given(...served)?.current?.leafHash ?? '';
    const window = { windowStart: iso(50), windowEnd: iso(52), renewAt: iso(51) };
    const informed = given(...served, [{ type: 'RenewalInfoUpdated', certificateId, leafHash, ...window }, 1]);
    expect(informed && nextActionAt(informed)).toEqual(new Date(iso(51)));
  });

  test.each([
    ['long past', -10, 0.25],
    ['beyond the emergency floor', 300, 89],
  ])('when the CA chose an instant that is %s, it is brought in', (_, renewAt, due) => {
    const leafHash = given(...served)?.current?.leafHash ?? '';
    const window = { windowStart: iso(renewAt), windowEnd: iso(renewAt + 1), renewAt: iso(renewAt) };
    const informed = given(...served, [{ type: 'RenewalInfoUpdated', certificateId, leafHash, ...window }, 1]);
    expect(informed && nextActionAt(informed)).toEqual(new Date(iso(due)));
  });
});

test.each([
  [200, 400 / 3],
  [90, 60],
  [64, (64 * 2) / 3],
  [45, 30],
  [160 / 24, 160 / 24 / 2],
])('a certificate of %f days is due after %f', (days, due) => {
  const certificate = given([started('issuance01'), 0], [obtained('issuance01', 'leaf', 0, days), 0]);
  expect(certificate && (nextActionAt(certificate)?.getTime() ?? 0) - START).toBeCloseTo(due * DAY, -3);
});

test('an event for a certificate that nobody began changes nothing', () => {
  expect(evolve(undefined, { type: 'CertificateRemoved', certificateId }, { at: new Date() })).toBeUndefined();
});

test('evolving never changes what it was given', () => {
  const all: CertificateEvent[] = [
    started('issuance01'),
    obtained('issuance01', 'leaf 1', 0),
    started('issuance02'),
    { type: 'IssuanceReleased', certificateId, issuanceId: 'issuance02', holder: 'alice' },
    { type: 'CertificateRemoved', certificateId },
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...all), { maxLength: 8 }), (events) => {
      let certificate: ManagedCertificate | undefined;
      for (const event of events) {
        const before = structuredClone(certificate);
        const next = evolve(certificate, event, { at: new Date(START) });
        expect(certificate).toEqual(before);
        certificate = next;
      }
    }),
  );
});

describe('given a certificate that was imported', () => {
  const imported = (leaf: string, more: Partial<CertificateImported> = {}): CertificateImported => {
    const { type: _type, issuanceId, reason, challengeType, directory, ...content } = obtained('none', leaf, 0);
    return { ...content, type: 'CertificateImported', ...more };
  };
  const renewal = { directory: 'https://ca.test/dir', challengeType: 'dns-01', keyType: 'RSA-2048' } as const;

  test('when it says nothing of its renewal, then it is served, urgent near its end, and never due', () => {
    const certificate = given([imported('leaf 1'), 0]);
    expect(certificate).toMatchObject({
      directory: undefined,
      current: { leaf: base64('leaf 1'), directory: undefined },
    });
    expect(certificate && nextActionAt(certificate)).toBeUndefined();
    expect(certificate && urgentAt(certificate)).toEqual(new Date(iso(75)));
  });

  test('when it comes long after it was issued, then it says when it came', () => {
    expect(given([imported('leaf 1'), 30])?.current).toMatchObject({ notBefore: iso(0), importedAt: iso(30) });
  });

  test('when the same leaf comes again with a CA, then it is renewed there, and is its own predecessor never', () => {
    const issuedBy = 'https://ca.test/dir';
    const certificate = given([imported('leaf 1'), 0], [imported('leaf 1', { ...renewal, issuedBy }), 1]);
    expect(certificate).toMatchObject({ ...renewal, current: { directory: issuedBy }, predecessors: [] });
    expect(certificate && nextActionAt(certificate)).toEqual(new Date(iso(60)));
  });

  test('when a newer one comes without a word of its renewal, then how it is renewed stays', () => {
    const certificate = given([imported('leaf 1', renewal), 0], [imported('leaf 2'), 1]);
    expect(certificate).toMatchObject({ ...renewal, current: { leaf: base64('leaf 2'), directory: undefined } });
    expect(certificate?.predecessors).toHaveLength(1);
  });
});
