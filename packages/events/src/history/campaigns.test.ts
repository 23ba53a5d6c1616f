import { describe, expect, test } from 'vitest';
import type { CampaignStarted } from '../event-types/campaign-events.ts';
import type { CertificateObtained, IssuanceStarted } from '../event-types/certificate-events.ts';
import type { BusEvent } from '../event-types/event-schema.ts';
import type { ManagedCertificate } from '../managed-certificate.ts';
import { type BusState, EMPTY_BUS, evolveBus } from './bus-state.ts';
import { parseBusState } from './bus-state-schema.ts';
import { MAX_CAMPAIGNS } from './campaigns.ts';
import { readEvent } from './codec.ts';
import { evolve } from './evolve.ts';

const START = Date.parse('2026-11-24T03:00:00Z');
const after = (minutes: number) => new Date(START + minutes * 60_000);

/** Each event in a commit of its own, a minute after the one before. */
const given = (...events: readonly BusEvent[]): BusState =>
  events.reduce<BusState>(
    (state, event, index) => evolveBus(state, { events: [readEvent(event)], at: after(index), position: index + 1 }),
    EMPTY_BUS,
  );

const started = (campaignId: string, ordersPerHour?: number): CampaignStarted => ({
  type: 'CampaignStarted',
  campaignId,
  domain: 'shop.test',
  certificates: 100,
  ...(ordersPerHour === undefined ? {} : { ordersPerHour }),
});

const claim = (campaignId?: string): IssuanceStarted => ({
  type: 'IssuanceStarted',
  issuanceId: 'issuance1',
  certificateId: 'certificate1',
  names: ['shop.test'],
  reason: 'renewal',
  challengeType: 'dns-01',
  directory: 'https://ca.test/dir',
  holder: 'alice',
  until: after(5).toISOString(),
  csr: 'Y3Ny',
  sealedKey: 'a2V5',
  recipientsPosition: 3,
  ...(campaignId === undefined ? {} : { campaignId }),
});

describe('given a campaign of six orders an hour', () => {
  test('when orders are begun for it, then each moves the end of its bucket by ten minutes, and no other order does', () => {
    const { campaigns } = given(
      started('campaign1', 6),
      claim('campaign1'),
      claim('campaign1'),
      claim(),
      claim('other123'),
    );
    expect(campaigns).toMatchObject([
      {
        campaignId: 'campaign1',
        position: 1,
        startedAt: after(0).toISOString(),
        begun: 2,
        fullAt: after(21).toISOString(),
      },
    ]);
  });

  test('when a commit is of the last second of all, then its snapshot can be read, and a clock that is right goes on', () => {
    const last = { events: [readEvent(claim('campaign1'))], at: new Date('9999-12-31T23:59:59Z'), position: 2 };
    const far = evolveBus(given(started('campaign1', 6)), last);
    expect(far.campaigns).toMatchObject([{ begun: 1, fullAt: '9999-12-31T23:59:59.999Z' }]);
    expect(parseBusState(JSON.parse(JSON.stringify(far)))).toMatchObject({ campaigns: far.campaigns });
    const then = evolveBus(far, { ...last, at: after(1), position: 3 });
    expect(then.campaigns).toMatchObject([{ begun: 2, fullAt: after(20).toISOString() }]);
  });

  test('when it has ended, then nothing of it changes any more', () => {
    const end: BusEvent = { type: 'CampaignEnded', campaignId: 'campaign1', outcome: 'cancelled' };
    const again: BusEvent = { ...end, outcome: 'completed' };
    const { campaigns } = given(started('campaign1', 6), end, claim('campaign1'), again, started('campaign1'));
    expect(campaigns).toMatchObject([{ begun: 0, ended: { outcome: 'cancelled', at: after(1).toISOString() } }]);
    expect(campaigns).toHaveLength(1);
  });
});

test('twenty campaigns are kept: the oldest that has ended makes room, and where all go on there is none', () => {
  const all = Array.from({ length: MAX_CAMPAIGNS }, (_, n) => started(`campaign${n}`));
  const ids = ({ campaigns }: BusState) => campaigns.map(({ campaignId }) => campaignId);
  const open = given(...all, started('one-more'));
  expect(ids(open)).toEqual(all.map(({ campaignId }) => campaignId));
  const ended = given(
    ...all,
    { type: 'CampaignEnded', campaignId: 'campaign7', outcome: 'completed' },
    started('one-more'),
  );
  expect(ids(ended)).toEqual([...ids(open).filter((id) => id !== 'campaign7'), 'one-more']);
  expect(parseBusState(JSON.parse(JSON.stringify(ended)))).toMatchObject({ campaigns: ended.campaigns });
});

describe('given a certificate', () => {
  const obtained: CertificateObtained = {
    type: 'CertificateObtained',
    issuanceId: 'issuance1',
    certificateId: 'certificate1',
    reason: 'renewal',
    names: ['shop.test'],
    leaf: 'bGVhZg==',
    issuers: [],
    sealedKey: 'a2V5',
    serialNumber: '0A',
    notBefore: after(0).toISOString(),
    notAfter: after(10_000).toISOString(),
    challengeType: 'dns-01',
    directory: 'https://ca.test/dir',
  };
  const history = (...steps: readonly (readonly [Parameters<typeof evolve>[1], string])[]) =>
    steps.reduce<ManagedCertificate | undefined>(
      (certificate, [event, keyId], index) =>
        evolve(certificate, event, { at: after(index), position: index + 1, keyId }),
      undefined,
    )?.current;

  test('when another manager completes what one began, then it says who made the key, and whom it is sealed to', () => {
    const current = history([claim(), 'a'.repeat(16)], [obtained, 'b'.repeat(16)]);
    const origin = { position: 2, by: 'b'.repeat(16), keyBy: 'a'.repeat(16), recipientsPosition: 3 };
    expect(current?.origin).toEqual(origin);
    const { leafHash = '' } = current ?? {};
    const resealed = {
      type: 'PrivateKeyResealed' as const,
      certificateId: 'certificate1',
      leafHash,
      sealedKey: 'b3RoZXI=',
    };
    const then = history([claim(), 'a'.repeat(16)], [obtained, 'b'.repeat(16)], [resealed, 'b'.repeat(16)]);
    expect(then?.origin).toEqual({ ...origin, isResealed: true });
  });

  test('when its claim is not on the bus, then nobody is said to have sealed it', () => {
    expect(history([obtained, 'b'.repeat(16)])?.origin).toEqual({ position: 1, by: 'b'.repeat(16) });
  });
});
