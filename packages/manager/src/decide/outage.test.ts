/** Tests of when a CA that is down is asked again before the end of its pause. */
import type { IssuedCertificate } from '@certbus/events';
import { expect, test } from 'vitest';
import { cannotWait, isOverdue } from './outage.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const NOW = new Date('2026-11-28T12:00:00Z');

/** A certificate with so much of its lifetime left. */
function withLeft(leftMs: number, lifetimeMs: number): { readonly current: IssuedCertificate } {
  const end = NOW.getTime() + leftMs;
  const instants = { notBefore: new Date(end - lifetimeMs).toISOString(), notAfter: new Date(end).toISOString() };
  return { current: { ...instants } as IssuedCertificate };
}

function pause(waitedMs: number, lengthMs: number, isAsked: boolean) {
  const since = new Date(NOW.getTime() - waitedMs);
  return { since, until: new Date(since.getTime() + lengthMs), isAsked };
}

test.each<[string, ReturnType<typeof withLeft>, ReturnType<typeof pause>, boolean]>([
  ['a pause of our own is kept by 90 days', withLeft(HOUR, 90 * DAY), pause(14 * MINUTE, 15 * MINUTE, false), false],
  [
    'a pause of our own keeps 5 minutes for a twentieth',
    withLeft(MINUTE, 5 * MINUTE),
    pause(15_000, 30_000, false),
    true,
  ],
  ['and not for less', withLeft(MINUTE, 5 * MINUTE), pause(14_000, 30_000, false), false],
  ['a Retry-After of an hour is kept at the floor', withLeft(HOUR, 90 * DAY), pause(59 * MINUTE, HOUR, true), false],
  ['one of a day is kept before the floor', withLeft(25 * HOUR, 90 * DAY), pause(20 * HOUR, DAY, true), false],
  ['one of a day is not kept at the floor', withLeft(DAY, 90 * DAY), pause(20 * HOUR, DAY, true), true],
  ['at the floor nobody is asked within 5 minutes', withLeft(HOUR, 90 * DAY), pause(4 * MINUTE, DAY, true), false],
])('%s', (_, certificate, outage, expected) => {
  expect(cannotWait(certificate, outage, NOW)).toBe(expected);
});

test('names that were never issued wait', () => {
  expect(cannotWait({ current: undefined }, pause(20 * HOUR, DAY, true), NOW)).toBe(false);
});

test.each<[string, number | undefined, number]>([
  ['of names that were never issued', undefined, DAY],
  ['of 90 days', 90 * DAY, DAY],
  ['of 160 hours', 160 * HOUR, 8 * HOUR],
  ['of a day', DAY, 72 * MINUTE],
  ['of six hours', 6 * HOUR, HOUR],
  ['of an hour', HOUR, 10 * MINUTE],
])('an order %s is left to its CA for so long', (_, lifetimeMs, expected) => {
  const { current } = lifetimeMs === undefined ? { current: undefined } : withLeft(HOUR, lifetimeMs);
  const isOverdueAfter = (ms: number) =>
    isOverdue({ startedAt: new Date(NOW.getTime() - ms).toISOString() }, current, NOW);
  expect([isOverdueAfter(expected - 1), isOverdueAfter(expected)]).toEqual([false, true]);
});
