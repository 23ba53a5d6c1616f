/** Tests of what is recorded of a CA's window for renewal, and of the instant in it. */
import { nextActionAt, sha256 } from '@certbus/events';
import type { WrittenEvent } from '@certbus/events/history';
import { expect, test } from 'vitest';
import { recordRenewalInfo } from './renewal-info.ts';
import { given } from './state.builders.ts';

const NOW = new Date('2026-11-24T03:00:00Z');
const HOUR = 3_600_000;
const later = (ms: number) => new Date(NOW.getTime() + ms);
const certificateId = 'certificate1';
const leaf = Buffer.from('leaf').toString('base64');
const leafHash = sha256(Buffer.from('leaf'));

function obtained(lifetimeMs: number, bytes = leaf): WrittenEvent {
  return {
    type: 'CertificateObtained',
    certificateId,
    issuanceId: 'issuance01',
    reason: 'new',
    names: ['a.test'],
    leaf: bytes,
    issuers: [],
    sealedKey: 'c2VhbGVk',
    serialNumber: '0A',
    notBefore: NOW.toISOString(),
    notAfter: later(lifetimeMs).toISOString(),
    challengeType: 'dns-01',
    directory: 'https://ca.test/dir',
  };
}

const info = { start: later(1440 * HOUR), end: later(1460 * HOUR), explanationUrl: 'https://ca.test/why' };
const heard = { certificateId, leafHash, info, chance: 0.5 };

test('given a certificate, when the CA names a window, then an instant in it is chosen and the reason kept', () => {
  const state = given([obtained(2160 * HOUR), NOW]);
  const { events } = recordRenewalInfo(state, heard);
  const chosen = later(1449.5 * HOUR).toISOString();
  expect(events).toMatchObject([
    { type: 'RenewalInfoUpdated', leafHash, renewAt: chosen, explanationUrl: 'https://ca.test/why' },
  ]);
});

test('given a window, when the CA names it again, then the instant that was chosen stays', () => {
  const [event] = recordRenewalInfo(given([obtained(2160 * HOUR), NOW]), heard).events;
  const state = given([obtained(2160 * HOUR), NOW], [event as WrittenEvent, NOW]);
  expect(recordRenewalInfo(state, { ...heard, chance: 0.9 }).events).toEqual([]);
  const moved = { ...info, start: later(1 * HOUR), end: later(2 * HOUR) };
  expect(recordRenewalInfo(state, { ...heard, info: moved }).events).toHaveLength(1);
});

test('given a renewed certificate, when a word about its predecessor comes late, then nothing is said', () => {
  const state = given([obtained(2160 * HOUR, Buffer.from('next').toString('base64')), NOW]);
  expect(recordRenewalInfo(state, heard).events).toEqual([]);
});

test('given 160 hours of lifetime, when a manager looks every five minutes, then it renews inside the window of 3.2 hours', () => {
  const window = { start: later(78.4 * HOUR), end: later(81.6 * HOUR) };
  const tick = 300_000;
  const runs = Array.from({ length: 10_000 }, (_, index) => {
    const chance = index / 10_000;
    const [event] = recordRenewalInfo(given([obtained(160 * HOUR), NOW]), { ...heard, info: window, chance }).events;
    const state = given([obtained(160 * HOUR), NOW], [event as WrittenEvent, NOW]);
    const certificate = state.certificate(certificateId);
    const due = (certificate && nextActionAt(certificate)?.getTime()) ?? 0;
    // The ticks of a manager fall anywhere.
    const offset = (index * 7_919) % tick;
    return Math.ceil((due - offset) / tick) * tick + offset;
  });
  const inside = runs.filter((at) => at >= window.start.getTime() && at < window.end.getTime() - tick);
  expect(inside.length).toBeGreaterThanOrEqual(9_900);
});
