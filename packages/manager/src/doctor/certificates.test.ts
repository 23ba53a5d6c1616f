/** Tests of what is found of certificates that are left alone. */
import type { EventOf } from '@certbus/events';
import { describe, expect, test } from 'vitest';
import { parseConfiguration } from '../configuration/configuration.ts';
import { given } from '../decide/state.builders.ts';
import { DIRECTORY, obtained } from '../renewal/fleet.builders.ts';
import { examineCertificates } from './certificates.ts';

const HOUR_MS = 3_600_000;
const LOST_AT = new Date('2027-01-25T00:00:00Z');
const detail = 'a.test does not exist in DNS (NXDOMAIN)';

const ISSUED = [obtained('certificate1'), new Date('2026-11-22T00:00:00Z')] as const;

/** A look at DNS that finds the names lost, and puts the next one off for an hour. */
function lookAt(at: Date) {
  const notBefore = new Date(at.getTime() + HOUR_MS).toISOString();
  const names = ['certificate1.test'];
  const event = { type: 'NamesLost', certificateId: 'certificate1', names, loss: 'gone', detail, notBefore } as const;
  return [event, at] as const;
}

test.each([
  [2, 'warning', /^it is not renewed: DNS has shown since 2027-01-25T00:00:00.000Z that names left your control/],
  // The lifetime ends on 2027-02-20.
  [24 * 40, 'failed', /^it ended 2027-02-20.*, and it is not renewed: /],
])('names that left our control are a finding with its reason, %d hours later: %s', (hours, status, words) => {
  const state = given(ISSUED, lookAt(LOST_AT), lookAt(new Date(LOST_AT.getTime() + HOUR_MS)));
  const now = new Date(LOST_AT.getTime() + hours * HOUR_MS);
  const found = examineCertificates(state, { config: undefined, hasEnded: () => false, now });
  expect(found).toMatchObject([{ status, detail: expect.stringMatching(words) }]);
  expect(found[0]?.detail).toContain(detail);
  expect(found[0]?.advice).toMatch(/"certbus cert renew certificate1" tries it now.*"certbus cert rm certificate1"/);
});

test('one look proves nothing: a second one is waited for, and nobody is told to remove anything; without quarantine it does not count', () => {
  const options = { hasEnded: () => false, now: LOST_AT };
  const state = given(ISSUED, lookAt(LOST_AT));
  const [found] = examineCertificates(state, { ...options, config: undefined });
  expect(found).toMatchObject({
    status: 'warning',
    detail: `its renewal waits: one look at DNS found names lost (${detail}), and a second one decides`,
    advice: expect.not.stringContaining('cert rm'),
  });
  const ca = { directory: DIRECTORY, termsOfServiceAgreed: true };
  const config = parseConfiguration({ version: 1, authorities: { ca }, defaultAuthority: 'ca', quarantine: false });
  expect(examineCertificates(state, { ...options, config })[0]?.detail).not.toContain(detail);
});

test.each([
  [11, '1 more of 11 fails as well'],
  [12, '2 more of 12 fail as well'],
])('of %d that fail ten are listed: %s', (count, rest) => {
  const all = Array.from({ length: count }, (_, n) => [obtained(`certificate${n}`), ISSUED[1]] as const);
  const now = new Date('2027-12-01T00:00:00Z');
  const found = examineCertificates(given(...all), { config: undefined, hasEnded: () => false, now });
  expect(found).toHaveLength(11);
  expect(found.at(-1)?.detail).toBe(rest);
});

describe('a claim', () => {
  const AT = new Date('2027-01-24T00:00:00Z');
  const claimed = (until: Date): EventOf<'IssuanceStarted'> => ({
    type: 'IssuanceStarted',
    issuanceId: 'issuance0002',
    certificateId: 'certificate1',
    names: ['certificate1.test'],
    reason: 'renewal',
    challengeType: 'dns-01',
    directory: DIRECTORY,
    holder: 'one',
    until: until.toISOString(),
    csr: 'Y3Ny',
    sealedKey: 'c2VhbGVk',
    recipientsPosition: 1,
  });
  const inHours = (hours: number) => new Date(AT.getTime() + hours * HOUR_MS);
  const examine = (until: Date, hasEnded: (holder: string) => boolean) => {
    const state = given(ISSUED, [claimed(until), inHours(-2)]);
    return examineCertificates(state, { config: undefined, hasEnded, now: AT });
  };

  test.each([
    ['whose process has ended', inHours(1), 'it was left open by one, whose process has ended'],
    ['that is past its end', inHours(-1), 'it was left open by one, whose claim ended 2027-01-23T23:00:00.000Z'],
  ])('%s is a warning that names the command which completes the issuance', (_, until, told) => {
    const findings = examine(until, (holder) => holder === 'one' && until > AT);
    expect(findings).toEqual([
      {
        check: 'renewal',
        subject: 'certificate1 (certificate1.test)',
        status: 'warning',
        detail: told,
        advice: '"certbus cert renewable --renew-all" completes it.',
      },
    ]);
  });

  test('of a process that may be running is not a finding', () => {
    expect(examine(inHours(1), () => false)).toMatchObject([{ status: 'good', detail: '1 managed, none fails' }]);
  });
});
