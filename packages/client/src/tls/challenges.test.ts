import { createSecureContext } from 'node:tls';
import { expect, test } from 'vitest';
import { createChallenges } from './challenges.ts';

const NOW = Date.parse('2026-11-24T03:00:00Z');
const MINUTE_MS = 60_000;

/** Whether a challenge that ends this long after now is answered. */
function isAnswered(forMs: number, challengeType: 'http-01' | 'tls-alpn-01' = 'tls-alpn-01'): boolean {
  const challenges = createChallenges({ build: () => createSecureContext(), now: () => new Date(NOW) });
  const expiresAt = new Date(NOW + forMs).toISOString();
  const challenge = {
    issuanceId: 'issuance1',
    challengeType,
    identifier: 'a.test',
    token: 'token',
    thumbprint: 'A'.repeat(43),
  };
  challenges.refresh([{ ...challenge, expiresAt }]);
  return challenges.contextFor('a.test') !== undefined;
}

test('a challenge is answered for the hour before its end, whatever instant its commit was signed at', () => {
  expect([-1, 0, 1, 60 * MINUTE_MS].map((forMs) => isAnswered(forMs))).toEqual([false, false, true, true]);
  // A manager whose clock is ahead, and one that says that it is 2099.
  expect(
    [65 * MINUTE_MS, 65 * MINUTE_MS + 1, 70 * 365 * 24 * 60 * MINUTE_MS].map((forMs) => isAnswered(forMs)),
  ).toEqual([true, false, false]);
});

test('a challenge of HTTP-01 has no certificate', () => {
  expect(isAnswered(MINUTE_MS, 'http-01')).toBe(false);
});
