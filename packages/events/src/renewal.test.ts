import { expect, test } from 'vitest';
import type { IssuedCertificate, ManagedCertificate } from './managed-certificate.ts';
import { isUrgent, type Urgency, urgencyOf } from './renewal.ts';

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
