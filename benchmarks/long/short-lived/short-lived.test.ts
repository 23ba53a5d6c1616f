/** The small round of certificates of 160 hours with faults on; the long one is a part of `npm run test:long`. */
import { expect, test } from 'vitest';
import { runShortLived } from './short-lived.ts';

/** A bound against what hangs: half a minute of work takes many on a busy machine. */
const HANGS_MS = 1_800_000;

test('20 names with certificates of 160 hours are served for 10 days, whatever fails and is killed, within the limits of the CA', {
  timeout: HANGS_MS,
}, async () => {
  const { problems, minutes, kills, faults, ca, failedRuns } = await runShortLived({
    certificates: 20,
    days: 10,
    seed: 16,
  });
  expect(problems).toEqual([]);
  expect(minutes).toBeGreaterThanOrEqual(20 * 10 * 1_440);
  // What was to go wrong did.
  expect(faults).toMatchObject({
    'CA outage': 1,
    'DNS error': 4,
    'store outage': 2,
    'store error': 4,
    'clock step': 3,
  });
  expect(kills).toBeGreaterThan(0);
  expect(failedRuns).toBeGreaterThan(0);
  expect(ca.failedValidations).toBeGreaterThan(0);
  // Each is renewed after half of its lifetime.
  expect(ca.certificates).toBeGreaterThanOrEqual(20 * 3);
});
