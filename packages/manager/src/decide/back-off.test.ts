/** Tests of when a failed issuance is tried again, by the lifetime of what is served. */
import type { FailureClass, IssuedCertificate } from '@certbus/events';
import { expect, test } from 'vitest';
import { backOffUntil, limitPauseOf } from './back-off.ts';

const MINUTE_MS = 60_000;
const HOURS = 60;
const DAYS = 24 * HOURS;
const NOW = new Date('2026-11-24T03:00:00Z');

/** Minutes until the next attempt, for one whose lifetime of so many minutes has just begun. */
function pause(lifetime: number | undefined, attempt: number, failureClass: FailureClass = 'temporary'): number {
  const notAfter = new Date(NOW.getTime() + (lifetime ?? 0) * MINUTE_MS).toISOString();
  const current = { notBefore: NOW.toISOString(), notAfter } as IssuedCertificate;
  const failed = { attempt, class: failureClass, atLeast: undefined, hasFallback: false };
  const until = backOffUntil(NOW, { ...failed, current: lifetime === undefined ? undefined : current });
  return (until.getTime() - NOW.getTime()) / MINUTE_MS;
}

test.each([
  ['what was never issued', undefined, [1, 10, 100, 1_440, 1_440]],
  ['90 days', 90 * DAYS, [1, 10, 100, 1_440, 1_440]],
  ['200 days', 200 * DAYS, [1, 10, 100, 1_440, 1_440]],
  ['160 hours', 160 * HOURS, [1, 10, 100, 480, 480]],
  ['a day', 1 * DAYS, [1, 10, 72, 72, 72]],
  ['an hour', 1 * HOURS, [1, 3, 3, 3, 3]],
  ['five minutes', 5, [0.25, 0.25, 0.25, 0.25, 0.25]],
])('a back-off is a twentieth of the lifetime at most: %s', (_, lifetime, expected) => {
  expect([1, 2, 3, 4, 5].map((attempt) => pause(lifetime, attempt))).toEqual(expected);
});

test.each<FailureClass>(['permanent-request', 'permanent-name'])(
  'that of a failure of class %s too',
  (failureClass) => {
    expect(pause(160 * HOURS, 1, failureClass)).toBe(480);
    expect(pause(90 * DAYS, 1, failureClass)).toBe(1_440);
  },
);

test.each<FailureClass>(['authority', 'account', 'rate-limited'])('and that of an outage, class %s', (failureClass) => {
  expect(pause(90 * DAYS, 7, failureClass)).toBe(10);
  expect(pause(1 * HOURS, 7, failureClass)).toBe(3);
});

test.each([
  ['for the first time', undefined, 10],
  ['after a pause of ten minutes', { class: 'rate-limited', minutes: 10 }, 20],
  ['after one of a day', { class: 'rate-limited', minutes: 1_440 }, 1_440],
  ['after days of an outage', { class: 'authority', minutes: 1_440 }, 10],
] as const)('a limit that the CA gives no end of, %s', (_, last, expected) => {
  const failedAt = NOW.toISOString();
  const notBefore = new Date(NOW.getTime() + (last?.minutes ?? 0) * MINUTE_MS).toISOString();
  const lastLimitMs = limitPauseOf(last && { class: last.class, failedAt, notBefore });
  const failed = { attempt: 1, class: 'rate-limited' as const, current: undefined, hasFallback: false, lastLimitMs };
  const minutes = (atLeast: Date | undefined) =>
    (backOffUntil(NOW, { ...failed, atLeast }).getTime() - NOW.getTime()) / MINUTE_MS;
  expect(minutes(undefined)).toBe(expected);
  expect(minutes(new Date(NOW.getTime() + 15 * MINUTE_MS))).toBe(15);
});

test('behind the floor its pauses do not grow', () => {
  const notBefore = new Date(NOW.getTime() - 89.5 * DAYS * MINUTE_MS).toISOString();
  const notAfter = new Date(NOW.getTime() + 0.5 * DAYS * MINUTE_MS).toISOString();
  const lastLimitMs = DAYS * MINUTE_MS;
  const failed = { attempt: 1, class: 'rate-limited' as const, atLeast: undefined, hasFallback: false, lastLimitMs };
  const until = backOffUntil(NOW, { ...failed, current: { notBefore, notAfter } as IssuedCertificate });
  // A twentieth of the time that is left.
  expect((until.getTime() - NOW.getTime()) / MINUTE_MS).toBe(36);
});

test('only where a person has to act a day is a day, whatever the lifetime', () => {
  expect(pause(160 * HOURS, 1, 'operator-action')).toBe(1_440);
});
