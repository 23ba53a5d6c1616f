/** Tests of how long a challenge is answered, on a clock of the test's own. */
import type { Challenge } from '@certbus/events/history';
import { expect, test } from 'vitest';
import { createReceivedChallenges } from './announced.ts';

const BEGUN = Date.parse('2026-11-24T03:00:00Z');
const MINUTE_MS = 60_000;
const at = (minutes: number) => new Date(BEGUN + minutes * MINUTE_MS).toISOString();
const challenge = (token: string, minutes: number): Challenge => ({
  issuanceId: 'issuance1',
  challengeType: 'http-01',
  identifier: 'a.test',
  token,
  thumbprint: 'A'.repeat(43),
  expiresAt: at(minutes),
});

test('a challenge ends when it says so, an hour after it was received at the latest, and not later for being read again', () => {
  let minutes = 0;
  const received = createReceivedChallenges({ now: () => new Date(BEGUN + minutes * MINUTE_MS) });
  const endsOf = (...challenges: readonly Challenge[]) =>
    received.take(challenges).map(({ token, expiresAt }) => [token, expiresAt]);
  // One of a manager whose clock runs ahead, within what is allowed for that, and one that is dated years ahead.
  const all = [challenge('short', 15), challenge('ahead', 64), challenge('thief', 1_000_000)];
  expect(endsOf(...all)).toEqual([
    ['short', at(15)],
    ['ahead', at(60)],
  ]);
  minutes = 50;
  expect(endsOf(...all, challenge('later', 100))).toEqual([
    ['short', at(15)],
    ['ahead', at(60)],
    ['later', at(100)],
  ]);
  // Its time has come, and it was received long ago.
  minutes = 999_990;
  expect(endsOf(...all)).toEqual([
    ['short', at(15)],
    ['ahead', at(60)],
  ]);
});
