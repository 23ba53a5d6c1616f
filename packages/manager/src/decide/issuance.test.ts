/** Tests of the steps of an issuance, given what the bus has recorded. */
import { type FailureClass, nextActionAt } from '@certbus/events';
import { readEvent, type WrittenEvent } from '@certbus/events/history';
import { expect, test } from 'vitest';
import {
  extendClaim,
  type FailureReason,
  isUnderWay,
  presentChallenges,
  recordFailure,
  recordObtained,
  recordOrder,
  releaseClaim,
  replaceCsr,
} from './issuance.ts';
import { given } from './state.builders.ts';

const DAY = 86_400_000;
const NOW = new Date('2026-11-24T03:00:00Z');
const later = (ms: number) => new Date(NOW.getTime() + ms);
const mine = { certificateId: 'certificate1', issuanceId: 'issuance01', holder: 'alice' };
const csr = { csr: 'Y3Ny', sealedKey: 'c2VhbGVk', recipientsPosition: 1 };
const started: WrittenEvent = {
  type: 'IssuanceStarted',
  ...mine,
  names: ['a.test'],
  reason: 'new',
  challengeType: 'dns-01',
  directory: 'https://ca.test/dir',
  until: later(300_000).toISOString(),
  ...csr,
};
const taken: WrittenEvent = { type: 'IssuanceTakenOver', ...mine, holder: 'bob', until: later(900_000).toISOString() };
const content = {
  leaf: Buffer.from('leaf'),
  issuers: [Buffer.from('intermediate')],
  names: ['a.test'],
  serialNumber: '0A',
  notBefore: NOW,
  notAfter: later(90 * 86_400_000),
};
const why: FailureReason = {
  problem: 'urn:ietf:params:acme:error:dns',
  class: 'temporary',
  detail: 'no TXT',
  notBefore: undefined,
  giveUpAfterMs: 30 * DAY,
};

test('every step of an issuance whose claim changed hands is refused', () => {
  const state = given([started, NOW], [taken, NOW]);
  const steps = [
    () => recordOrder(state, mine, 'https://ca.test/order/1'),
    () => extendClaim(state, NOW, { ...mine, claimMs: 1_000 }),
    () => replaceCsr(state, mine, csr),
    () => recordObtained(state, mine, { content, csr }),
    () => recordFailure(state, NOW, mine, why),
    () => presentChallenges(state, NOW, mine, []),
  ];
  for (const step of steps) expect(step).toThrow(expect.objectContaining({ code: 'CERTBUS_MANAGER_CLAIM_LOST' }));
});

test('a claim that changed hands needs no release', () => {
  expect(releaseClaim(given([started, NOW], [taken, NOW]), mine).events).toEqual([]);
  expect(releaseClaim(given([started, NOW]), mine).events).toMatchObject([{ type: 'IssuanceReleased' }]);
});

test('an order is recorded once, however often it is said', () => {
  const first = recordOrder(given([started, NOW]), mine, 'https://ca.test/order/1');
  expect(first.events).toHaveLength(1);
  const state = given([started, NOW], [first.events[0] as WrittenEvent, NOW]);
  expect(recordOrder(state, mine, 'https://ca.test/order/1').events).toEqual([]);
});

test('clients are told of a challenge once, and again when it is about to lapse', () => {
  const challenge = {
    challengeType: 'tls-alpn-01' as const,
    name: 'a.test',
    token: 'token',
    thumbprint: 'A'.repeat(43),
  };
  const [told, ...more] = presentChallenges(given([started, NOW]), NOW, mine, [challenge]).events;
  expect(more).toEqual([]);
  expect(told).toMatchObject({
    type: 'ChallengePresented',
    identifier: 'a.test',
    expiresAt: '2026-11-24T03:15:00.000Z',
  });
  const state = given([started, NOW], [told as WrittenEvent, NOW]);
  expect(presentChallenges(state, later(60_000), mine, [challenge]).events).toEqual([]);
  expect(presentChallenges(state, later(60_000), mine, [{ ...challenge, token: 'new' }]).events).toHaveLength(1);
  expect(presentChallenges(state, later(600_000), mine, [challenge]).events).toHaveLength(1);
});

test('clients are told of HTTP-01 unless it is for the account that needs no announcement', () => {
  const [own, other] = ['A'.repeat(43), 'E'.repeat(43)];
  const account = (directory: string, thumbprint: string) =>
    ({ type: 'AccountRegistered', directory, accountUrl: `${directory}/1`, thumbprint, sealedKey: 'AAAA' }) as const;
  const marked = { ...account('https://ca.test/dir', own), stateless: true } as const;
  const rolling = { ...account('https://ca.test/dir', other), type: 'AccountKeyRollOverStarted' } as WrittenEvent;
  const presented = (thumbprint: string, ...events: WrittenEvent[]) => {
    const challenge = { challengeType: 'http-01' as const, name: 'a.test', token: 'token', thumbprint };
    return presentChallenges(given([started, NOW], ...events.map((event) => [event, NOW] as const)), NOW, mine, [
      challenge,
    ]).events.length;
  };
  expect(presented(own, marked)).toBe(0);
  expect(presented(own, account('https://ca.test/dir', own))).toBe(1);
  expect(presented(other, marked, account('https://other.test/dir', other))).toBe(1);
  // While its key is rolled over, for both keys.
  expect([presented(own, marked, rolling), presented(other, marked, rolling)]).toEqual([1, 1]);
});

test('a certificate brings the issuers that the bus does not know yet, once', () => {
  const { events } = recordObtained(given([started, NOW]), mine, { content, csr });
  expect(events.map(({ type }) => type)).toEqual(['IssuerAdded', 'CertificateObtained']);
  const state = given([events[0] as WrittenEvent, NOW], [started, NOW]);
  expect(recordObtained(state, mine, { content, csr }).events.map(({ type }) => type)).toEqual(['CertificateObtained']);
});

test('failures back off by 1, 10 and 100 minutes, then daily, and count up', () => {
  const events: (readonly [WrittenEvent, Date])[] = [];
  const pauses: number[] = [];
  for (const attempt of [1, 2, 3, 4, 5]) {
    events.push([started, NOW]);
    const { events: said, result } = recordFailure(given(...events), NOW, mine, why);
    expect(said).toMatchObject([{ type: 'IssuanceFailed', attempt }]);
    events.push([said[0] as WrittenEvent, NOW]);
    pauses.push((result.getTime() - NOW.getTime()) / 60_000);
  }
  expect(pauses).toEqual([1, 10, 100, 1_440, 1_440]);
});

test('a failure of the CA as a whole counts as no attempt of the certificate', () => {
  const events: (readonly [WrittenEvent, Date])[] = [];
  const attempts: unknown[] = [];
  for (const failureClass of ['authority', 'authority', 'temporary', 'account', 'temporary', 'temporary'] as const) {
    events.push([started, NOW]);
    const { events: said } = recordFailure(given(...events), NOW, mine, { ...why, class: failureClass });
    events.push([said[0] as WrittenEvent, NOW]);
    attempts.push(said.map((event) => 'attempt' in event && event.attempt));
  }
  expect(attempts.flat()).toEqual([1, 1, 1, 2, 2, 3]);
});

test.each<FailureClass>(['operator-action', 'permanent-request', 'permanent-name'])(
  'a failure of class %s is not tried again within a day',
  (failureClass) => {
    const { result } = recordFailure(given([started, NOW]), NOW, mine, { ...why, class: failureClass });
    expect(result).toEqual(later(86_400_000));
  },
);

test.each<[FailureClass, number, number | undefined, boolean]>([
  ['temporary', 31, undefined, false],
  ['permanent-name', 29, undefined, false],
  ['permanent-name', 31, undefined, true],
  ['permanent-name', 31, 40, false],
  ['permanent-name', 31, 30, true],
])(
  'names refused with class %s for %s days, with a certificate that ends after %s, are given up: %s',
  (failureClass, days, servedDays, isGivenUp) => {
    const served: (readonly [WrittenEvent, Date])[] = [];
    if (servedDays) {
      const { events } = recordObtained(given([started, NOW]), mine, {
        content: { ...content, notAfter: later(servedDays * DAY) },
        csr,
      });
      served.push([started, NOW], ...events.map((event) => [event, NOW] as const));
    }
    const refused = { ...why, class: failureClass };
    const first = recordFailure(given([started, NOW]), NOW, mine, refused).events.map((event) => [event, NOW] as const);
    const end = later(days * DAY);
    const state = given(...served, [started, NOW], ...first, [started, end]);
    const { events, result } = recordFailure(state, end, mine, refused);
    expect(result.getUTCFullYear() === 9999).toBe(isGivenUp);
    state.apply([readEvent(events[0] as WrittenEvent)], { at: end, position: 99 });
    const certificate = state.certificate('certificate1');
    expect(certificate && nextActionAt(certificate) === undefined).toBe(isGivenUp);
  },
);

test("the CA's own Retry-After counts when it is longer", () => {
  const { result } = recordFailure(given([started, NOW]), NOW, mine, { ...why, notBefore: later(3_600_000) });
  expect(result).toEqual(later(3_600_000));
});

test.each<[FailureClass, Date | undefined]>([
  ['permanent-name', undefined],
  ['operator-action', undefined],
  ['rate-limited', later(7 * DAY)],
])('what a second CA refuses as %s does not keep the certificate from its own for long', (failureClass, notBefore) => {
  const { certificateId } = mine;
  const elsewhere: WrittenEvent = { ...started, directory: 'https://second.test/dir', fallbackFor: started.directory };
  const refused = { ...why, class: failureClass, notBefore, giveUpAfterMs: 0 };
  const { result } = recordFailure(given([started, NOW], [elsewhere, NOW]), NOW, mine, refused);
  expect(result).toEqual(later(600_000));
  const state = given(
    [started, NOW],
    [{ type: 'IssuanceFailed', ...mine, ...refused, attempt: 1, notBefore: NOW.toISOString() }, NOW],
    [elsewhere, NOW],
  );
  expect(recordFailure(state, later(DAY), mine, refused).result).toEqual(later(DAY + 600_000));
  expect(state.certificate(certificateId)?.failure?.directory).toBe('https://ca.test/dir');
});

test('a certificate whose append failed but was written is recorded once; another claim that recorded it is a claim lost', () => {
  const before = given([started, NOW]);
  const { events } = recordObtained(before, mine, { content, csr });
  const written = given([started, NOW], ...events.map((event) => [event, NOW] as const));
  expect(recordObtained(written, mine, { content, csr, isRepeated: true }).events).toEqual([]);
  expect(() => recordObtained(written, mine, { content, csr })).toThrow(
    expect.objectContaining({ code: 'CERTBUS_MANAGER_CLAIM_LOST' }),
  );
});

const HOUR = 3_600_000;

/** Hours until the next attempt of a certificate of 160 hours that fails with so many left. */
function pauseWith(left: number, { retryAfter, ...more }: Partial<FailureReason> & { readonly retryAfter?: number }) {
  const lifetime = { notBefore: later((left - 160) * HOUR), notAfter: later(left * HOUR) };
  const { events } = recordObtained(given([started, NOW]), mine, { content: { ...content, ...lifetime }, csr });
  const state = given([started, NOW], ...events.map((event) => [event, NOW] as const), [started, NOW]);
  const notBefore = retryAfter === undefined ? undefined : later(retryAfter * HOUR);
  const { events: said, result } = recordFailure(state, NOW, mine, { ...why, class: 'authority', notBefore, ...more });
  state.apply([readEvent(said[0] as WrittenEvent)], { at: NOW, position: 99 });
  const certificate = state.certificate('certificate1');
  expect(certificate && nextActionAt(certificate)).toEqual(result);
  return (result.getTime() - NOW.getTime()) / HOUR;
}

test.each<[string, number, Parameters<typeof pauseWith>[1], number]>([
  ['a Retry-After of a week ends at the floor', 60, { retryAfter: 168 }, 36],
  ['with a second CA it ends at the urgent point', 60, { retryAfter: 168, hasFallback: true }, 60 - 160 / 6],
  ['behind the floor the back-off is shorter, but not more often than a twentieth', 20, { retryAfter: 168 }, 1],
  ['a Retry-After of up to an hour is always kept', 5, { retryAfter: 0.9 }, 0.9],
  ['minutes before the end it is 5 minutes', 0.2, { retryAfter: 168 }, 1 / 6],
  ['24 hours behind an unpause link are kept', 20, { class: 'operator-action' }, 24],
])('the pause of a short certificate: %s', (_, left, reason, hours) => {
  expect(pauseWith(left, reason)).toBeCloseTo(hours, 5);
});

test('with a second CA no pause of 90 days goes beyond the urgent point', () => {
  const lifetime = { notBefore: later(-70 * DAY), notAfter: later(20 * DAY) };
  const { events } = recordObtained(given([started, NOW]), mine, { content: { ...content, ...lifetime }, csr });
  const state = given([started, NOW], ...events.map((event) => [event, NOW] as const), [started, NOW]);
  const asked = { ...why, class: 'authority' as const, notBefore: later(7 * DAY) };
  expect(recordFailure(state, NOW, mine, { ...asked, hasFallback: true }).result).toEqual(later(5 * DAY));
  expect(recordFailure(state, NOW, mine, asked).result).toEqual(later(7 * DAY));
});

test('what is refused as impossible before anything was issued is not kept; after an outage neither', () => {
  const refused = { ...why, class: 'permanent-request' as const };
  const typesOf = (state: ReturnType<typeof given>) =>
    recordFailure(state, NOW, mine, refused).events.map(({ type }) => type);
  expect(typesOf(given([started, NOW]))).toEqual(['IssuanceFailed', 'CertificateRemoved']);
  const after = (failureClass: FailureClass) => {
    const { events } = recordFailure(given([started, NOW]), NOW, mine, { ...why, class: failureClass });
    return given([started, NOW], ...events.map((event) => [event, NOW] as const), [started, NOW]);
  };
  expect(typesOf(after('authority'))).toEqual(['IssuanceFailed', 'CertificateRemoved']);
  expect(typesOf(after('temporary'))).toEqual(['IssuanceFailed']);
  const { events } = recordObtained(given([started, NOW]), mine, { content, csr });
  expect(typesOf(given([started, NOW], ...events.map((event) => [event, NOW] as const), [started, NOW]))).toEqual([
    'IssuanceFailed',
  ]);
});

test("an outage does not hide a certificate's own reason, and the next own reason takes its place", () => {
  const failures: (readonly [WrittenEvent, Date])[] = [];
  const fail = (reason: Partial<FailureReason>) => {
    failures.push([started, NOW]);
    const [event] = recordFailure(given(...failures), NOW, mine, { ...why, ...reason }).events;
    failures.push([event as WrittenEvent, NOW]);
    return given(...failures).certificate('certificate1')?.failure;
  };
  fail({ detail: 'no TXT' });
  const outage = { class: 'authority' as const, detail: 'down' };
  expect(fail(outage)).toMatchObject({ detail: 'down', own: { detail: 'no TXT' } });
  expect(fail(outage)).toMatchObject({ own: { detail: 'no TXT' } });
  expect(fail({ detail: 'other TXT' })).not.toHaveProperty('own');
});

test.each([
  ['without a Retry-After it is tried as soon as the CA answers', undefined, NOW],
  ['with one it is kept', new Date(NOW.getTime() + 120_000), new Date(NOW.getTime() + 120_000)],
])('an outage is not waited out for longer than it lasts: %s', (_, notBefore, retryAt) => {
  const down: FailureReason = { ...why, class: 'authority', notBefore, isOutage: true };
  const { events } = recordFailure(given([started, NOW]), NOW, mine, down);
  const again = new Date(NOW.getTime() + 600_000).toISOString();
  expect(events).toMatchObject([{ notBefore: again, retryAt: retryAt.toISOString() }]);
  expect(recordFailure(given([started, NOW]), NOW, mine, why).events[0]).not.toHaveProperty('retryAt');
});

test.each<[string, number, boolean, boolean]>([
  ['is claimed', 0, false, true],
  ['was claimed, and can go on', DAY - 1, false, true],
  ['was claimed, and its manager has gone', DAY, false, false],
  ['was released, and can go on', DAY - 1, true, true],
  ['was released, and waits for too long', DAY, true, false],
])('an issuance that %s, after %d ms: %s, %s', (_, ms, isReleased, expected) => {
  const state = given([started, NOW], ...(isReleased ? [[{ type: 'IssuanceReleased', ...mine }, NOW] as const] : []));
  const { issuance, current } = state.certificate('certificate1') ?? {};
  expect(isUnderWay({ issuance, current }, later(ms))).toBe(expected);
});
