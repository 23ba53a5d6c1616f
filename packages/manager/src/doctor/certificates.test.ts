/** Tests of what is found of certificates that are left alone. */
import { expect, test } from 'vitest';
import { given } from '../decide/state.builders.ts';
import { obtained } from '../renewal/fleet.builders.ts';
import { examineCertificates } from './certificates.ts';

const HOUR_MS = 3_600_000;
const LOST_AT = new Date('2027-01-25T00:00:00Z');
const detail = 'a.test does not exist in DNS (NXDOMAIN)';

test.each([
  [1, 'warning', /^it is left alone/],
  // The lifetime ends on 2027-02-20.
  [24 * 40, 'failed', /^it ended 2027-02-20.*, and it is left alone/],
])('names that left our control are a finding with its reason, %d hours later: %s', (hours, status, words) => {
  const notBefore = new Date(LOST_AT.getTime() + HOUR_MS).toISOString();
  const names = ['certificate1.test'];
  const state = given(
    [obtained('certificate1'), new Date('2026-11-22T00:00:00Z')],
    [{ type: 'NamesLost', certificateId: 'certificate1', names, loss: 'gone', detail, notBefore }, LOST_AT],
  );
  const now = new Date(LOST_AT.getTime() + hours * HOUR_MS);
  const found = examineCertificates(state, { config: undefined, hasEnded: () => false, now });
  expect(found).toMatchObject([{ status, detail: expect.stringMatching(words) }]);
  expect(found[0]?.detail).toContain(detail);
  expect(found[0]?.advice).toMatch(/"certbus cert renew certificate1" tries it now.*"certbus cert rm certificate1"/);
});
