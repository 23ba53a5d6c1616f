import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FailureClass } from './event-types/certificate-events.ts';
import type { IssuedCertificate, ManagedCertificate } from './managed-certificate.ts';
import { dueSince, dutyOf, isUrgent, NEVER, nextActionAt, type Urgency, urgencyOf } from './renewal.ts';

const NOW = new Date('2026-11-24T03:00:00Z');
const HOUR_MS = 3_600_000;
const inHours = (hours: number) => new Date(NOW.getTime() + hours * HOUR_MS).toISOString();

/** One whose lifetime of so many hours ends in so many hours. */
function certificate(lifetime: number, left: number, more: Partial<ManagedCertificate> = {}): ManagedCertificate {
  const current = { notBefore: inHours(left - lifetime), notAfter: inHours(left) } as IssuedCertificate;
  return { certificateId: 'certificate1', names: ['a.test'], current, ...more } as ManagedCertificate;
}

const window = (from: number, to: number) => ({
  leafHash: 'leaf',
  windowStart: inHours(from),
  windowEnd: inHours(to),
  renewAt: inHours(from),
  explanationUrl: undefined,
});

test.each<[string, ManagedCertificate, Urgency]>([
  ['one that was never issued', certificate(1, 1, { current: undefined }), 'lapsed'],
  ['one that has expired', certificate(2160, -1), 'lapsed'],
  ['one that was revoked', certificate(2160, 2000, { revoked: true }), 'lapsed'],
  ['one with hours left of 90 days', certificate(2160, 23), 'emergency'],
  ['one with a day and more left of 90 days', certificate(2160, 25), 'due'],
  ['one with a seventh left of 160 hours', certificate(160, 22), 'emergency'],
  ['one whose window is over', certificate(2160, 2000, { renewalInfo: window(-2, -1) }), 'window-over'],
  ['one whose window is over and that ends', certificate(2160, 2, { renewalInfo: window(-2, -1) }), 'emergency'],
  ['one whose window is open', certificate(2160, 700, { renewalInfo: window(-2, 1) }), 'due'],
])('%s is as urgent as it should be', (_, subject, expected) => {
  expect(urgencyOf(subject, NOW)).toBe(expected);
});

test.each([
  ['one that was never issued', certificate(1, 1, { current: undefined }), true],
  ['one that has expired', certificate(2160, -1), true],
  ['one that was revoked, with most of its lifetime left', certificate(2160, 2000, { revoked: true }), true],
  ['one with hours left of 90 days', certificate(2160, 23), true],
  ['one with a sixth of its lifetime left', certificate(2160, 360), true],
  ['one with more than a sixth left', certificate(2160, 361), false],
  ['one whose window is over, with much left', certificate(2160, 2000, { renewalInfo: window(-2, -1) }), false],
])('%s is urgent exactly where it cannot wait', (_, subject, expected) => {
  expect(isUrgent(subject, NOW)).toBe(expected);
});

const DIRECTORY = 'https://ca.test/dir';
/** Hours from now until a manager acts. */
const hoursUntil = (subject: ManagedCertificate) => ((nextActionAt(subject)?.getTime() ?? 0) - NOW.getTime()) / HOUR_MS;

describe.each([
  ['160 hours', 160, 80, 3.2],
  ['45 days', 45 * 24, 30 * 24, 6],
  ['64 days', 64 * 24, (64 * 24 * 2) / 3, 6],
  ['90 days', 90 * 24, 60 * 24, 6],
  ['200 days', 200 * 24, (200 * 24 * 2) / 3, 6],
])('a certificate of %s that was just issued', (_, lifetime, ratio, earliest) => {
  const issued = (more: Partial<ManagedCertificate> = {}) =>
    certificate(lifetime, lifetime, { directory: DIRECTORY, ...more });

  test('is renewed by the ratio of its lifetime where the CA names no instant', () => {
    expect(hoursUntil(issued())).toBeCloseTo(ratio, 5);
  });

  test.each([0.1, 0.4, 0.6, 0.8])('is renewed when the CA wants it, before that ratio and after: %s', (part) => {
    const renewalInfo = window(lifetime * part, lifetime * part + 1);
    expect(hoursUntil(issued({ renewalInfo }))).toBeCloseTo(lifetime * part, 5);
  });

  test('is not renewed at once for a CA that answers "now", and never later than a day before its end', () => {
    expect(hoursUntil(issued({ renewalInfo: window(-2, -1) }))).toBeCloseTo(earliest, 5);
    for (const from of [lifetime - 23, lifetime, lifetime * 10])
      expect(hoursUntil(issued({ renewalInfo: window(from, from + 1) }))).toBeCloseTo(lifetime - 24, 5);
  });

  test('is urgent with a sixth of its lifetime left', () => {
    const withLeft = (hours: number) => certificate(lifetime, hours, { directory: DIRECTORY });
    expect(isUrgent(withLeft(lifetime / 6 + 0.1), NOW)).toBe(false);
    expect(isUrgent(withLeft(lifetime / 6 - 0.1), NOW)).toBe(true);
  });
});

/** A certificate of 160 hours, whose floor is 24 hours before its end, that failed so many hours from now, until so many. */
function failed(left: number, failedIn: number, until: number | string, failureClass: FailureClass = 'authority') {
  const notBefore = typeof until === 'number' ? inHours(until) : until;
  const failure = { class: failureClass, attempt: 1, directory: 'https://ca.test/dir', notBefore };
  const at = { since: inHours(failedIn), failedAt: inHours(failedIn) };
  const described = { ...failure, ...at, problem: '', detail: '' };
  return certificate(160, left, { directory: 'https://ca.test/dir', failure: described });
}

test.each<[string, ManagedCertificate, number]>([
  ['a week, asked for long before the floor, ends at the floor', failed(60, 0, 168), 36],
  ['a far instant of another manager ends at the floor', failed(60, 0, 100_000), 36],
  ['one that was given up while it was valid is tried at the floor', failed(60, 0, NEVER), 36],
  ['up to an hour is kept across the floor', failed(27, 0, 0.9), 0.9],
  ['a week, asked for behind the floor, ends after the longest back-off of the lifetime', failed(20, 0, 168), 8],
  ['a day behind an unpause link is kept across the floor', failed(27, 0, 24, 'operator-action'), 24],
  ['a week that would wait for a person ends after a day', failed(27, 0, 168, 'operator-action'), 24],
])('a pause of %s', (_, subject, hours) => {
  const at = nextActionAt(subject)?.getTime() ?? 0;
  expect((at - NOW.getTime()) / HOUR_MS).toBeCloseTo(hours, 1);
  expect(dutyOf(subject)?.pausedUntil?.getTime()).toBe(at);
});

test('what an expelled manager obtained is due, whatever it says of its end', () => {
  const subject = certificate(24 * 90, 24 * 80, { directory: DIRECTORY });
  const current = subject.current && { ...subject.current, distrusted: true as const };
  expect(nextActionAt(subject)?.getTime()).toBeGreaterThan(NOW.getTime());
  expect(nextActionAt({ ...subject, ...(current ? { current } : {}) })).toEqual(new Date(0));
});

test('names that were never issued are due since their first failure, since their claim ended, or since nobody knows when', () => {
  const directory = 'https://ca.test/dir';
  const issuance = { until: inHours(-3) } as NonNullable<ManagedCertificate['issuance']>;
  const never = { current: undefined, directory };
  const { failure } = failed(10, -5, -4);
  expect(dueSince(certificate(1, 1, { ...never, issuance, failure }), NOW)?.toISOString()).toBe(inHours(-5));
  expect(dueSince(certificate(1, 1, { ...never, issuance }), NOW)?.toISOString()).toBe(inHours(-3));
  expect(dueSince(certificate(1, 1, never), NOW)).toBeUndefined();
});

const ago = (hours: number) => ({ obtainedAt: inHours(-hours) });

/** One that the bus got so many hours after it began, with so many hours left of its lifetime then. */
function obtainedLate(begun: number, left: number, more: Partial<ManagedCertificate> = {}): ManagedCertificate {
  const { current, ...rest } = certificate(begun + left, left, { directory: 'https://ca.test/dir', ...more });
  return { ...rest, current: { ...(current as IssuedCertificate), ...ago(0) } };
}

const hoursUntilDue = (subject: ManagedCertificate) =>
  ((nextActionAt(subject)?.getTime() ?? 0) - NOW.getTime()) / HOUR_MS;

test('what was just obtained is not due, however late it came and whatever its CA asks for', () => {
  const hours = fc.double({ min: 0.05, max: 3000, noNaN: true });
  fc.assert(
    fc.property(hours, hours, fc.option(fc.double({ min: -5000, max: 5000, noNaN: true })), (begun, left, asked) => {
      const renewalInfo = asked === null ? undefined : window(asked, asked + 1);
      const subject = obtainedLate(begun, left, { renewalInfo });
      const due = hoursUntilDue(subject);
      expect(due).toBeGreaterThanOrEqual((asked === null ? left / 3 : Math.min(left / 3, 1)) - 1e-5);
      expect(due).toBeLessThan(left);
    }),
  );
});

test.each([
  ['90 days, an hour after it began', 1, 2159, 2160 * (2 / 3) - 1],
  ['160 hours, an hour after it began', 1, 159, 79],
  ['6 minutes, a minute after it began', 1 / 60, 5 / 60, 2 / 60],
])('one of %s is due when its lifetime says', (_, begun, left, due) => {
  expect(hoursUntilDue(obtainedLate(begun, left))).toBeCloseTo(due, 5);
});

test('an instant outside its lifetime, of a manager whose clock was wrong, says nothing of when it was obtained', () => {
  for (const hours of [3000, -3000]) {
    const { current, ...rest } = certificate(2160, 2000, { directory: 'https://ca.test/dir' });
    const wrong = { ...rest, current: { ...(current as IssuedCertificate), ...ago(hours) } };
    expect(nextActionAt(wrong)).toEqual(nextActionAt({ ...rest, current }));
  }
});
