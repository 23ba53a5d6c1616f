/** Tests of what is decided about campaigns. */
import { type Campaign, campaignFullAt, MAX_CAMPAIGNS, type WrittenEvent } from '@certbus/events/history';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { campaignRoom, endCampaign, startCampaign } from './campaign.ts';
import { given } from './state.builders.ts';

const NOW = new Date('2026-11-24T03:00:00Z');
const HOUR_MS = 3_600_000;
const intended = (campaignId: string, domain: string) => ({
  campaignId,
  predicate: { domain, obtainedSince: 1 },
  certificates: 5,
  ordersPerHour: undefined,
});

test('a campaign that is started again is the one that goes on, and one that has ended is not', () => {
  const [event] = startCampaign(given(), intended('campaign1', 'a.test')).events;
  if (!event) throw new TypeError('it was started');
  const state = given([event, NOW]);
  const again = { campaignId: 'campaign1', isNew: false };
  expect(startCampaign(state, intended('campaign2', 'a.test'))).toEqual({ events: [], result: again });
  expect(startCampaign(state, intended('campaign2', 'b.test')).result.isNew).toBe(true);
  const end = endCampaign(state, 'campaign1', 'completed');
  expect(end.events).toEqual([{ type: 'CampaignEnded', campaignId: 'campaign1', outcome: 'completed' }]);
  const ended = given([event, NOW], ...end.events.map((each) => [each, NOW] as const));
  expect(endCampaign(ended, 'campaign1', 'cancelled')).toEqual({ events: [], result: { hasEnded: false } });
  expect(startCampaign(ended, intended('campaign2', 'a.test')).result).toEqual({
    campaignId: 'campaign2',
    isNew: true,
  });
  expect(() => endCampaign(ended, 'campaign9', 'cancelled')).toThrow(
    expect.objectContaining({
      code: 'CERTBUS_MANAGER_CAMPAIGN_NOT_FOUND',
      message: expect.stringContaining('campaign1'),
    }),
  );
});

type Paced = Pick<Campaign, 'startedAt' | 'begun' | 'fullAt'> & { readonly ordersPerHour: number };

const paced = (ordersPerHour: number): Paced => ({ ordersPerHour, startedAt: NOW.toISOString(), begun: 0 });
const burstOf = (ordersPerHour: number) => Math.max(1, Math.floor(ordersPerHour / 4));
/** As the bus counts it. */
function withOrder(campaign: Paced, now: Date): Paced {
  const full = campaignFullAt(campaign, now) + HOUR_MS / campaign.ordersPerHour;
  return { ...campaign, begun: campaign.begun + 1, fullAt: new Date(full).toISOString() };
}

test('where as many go on as a bus takes, another one is refused with what can be cancelled, and one for the same is found', () => {
  const begun = Array.from({ length: MAX_CAMPAIGNS }, (_, n) => {
    const { campaignId, predicate, certificates } = intended(`campaign${n}`, `n${n}.test`);
    return [{ type: 'CampaignStarted', campaignId, ...predicate, certificates } as const, NOW] as const;
  });
  const full = given(...begun);
  expect(() => startCampaign(full, intended('one-more', 'a.test'))).toThrow(
    expect.objectContaining({
      code: 'CERTBUS_MANAGER_TOO_MANY_CAMPAIGNS',
      message: expect.stringContaining('campaign0, campaign1'),
    }),
  );
  expect(startCampaign(full, intended('one-more', 'n7.test')).result).toEqual({
    campaignId: 'campaign7',
    isNew: false,
  });
  const room = given(...begun, [{ type: 'CampaignEnded', campaignId: 'campaign7', outcome: 'cancelled' }, NOW]);
  expect(startCampaign(room, intended('one-more', 'a.test')).result.isNew).toBe(true);
});

test('whenever managers run, a pace is never exceeded by more than a quarter of an hour’s orders, and is kept on the whole', () => {
  const waits = fc.array(fc.integer({ min: 0, max: 2 * HOUR_MS }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), waits, (ordersPerHour, pauses) => {
      const perOrderMs = HOUR_MS / ordersPerHour;
      const burst = burstOf(ordersPerHour);
      let campaign = paced(ordersPerHour);
      let now = NOW.getTime();
      for (const pause of pauses) {
        now += pause;
        for (
          let room = campaignRoom(campaign, new Date(now));
          room.left > 0;
          room = campaignRoom(campaign, new Date(now))
        ) {
          campaign = withOrder(campaign, new Date(now));
        }
        expect(campaign.begun).toBeLessThanOrEqual(burst + (now - NOW.getTime()) / perOrderMs + 1);
        const { at } = campaignRoom(campaign, new Date(now));
        expect(at.getTime()).toBeGreaterThan(now - 1);
        expect(at.getTime() - now).toBeLessThanOrEqual(perOrderMs + 1);
      }
    }),
    { numRuns: 50 },
  );
});

const claim: WrittenEvent = {
  type: 'IssuanceStarted',
  issuanceId: 'issuance1',
  certificateId: 'certificate1',
  names: ['a.test'],
  reason: 'renewal',
  challengeType: 'dns-01',
  directory: 'https://ca.test/dir',
  holder: 'ahead',
  until: NOW.toISOString(),
  csr: 'Y3Ny',
  sealedKey: 'a2V5',
  recipientsPosition: 1,
  campaignId: 'campaign1',
};

const minutes = (count: number) => new Date(NOW.getTime() + count * 60_000);

test.each([15 + 3, 180, 5 * 525_600])(
  'a clock that was %d minutes ahead puts no order off but by those that it began, and the next one is counted by a clock that is right',
  (ahead) => {
    const [event] = startCampaign(given(), { ...intended('campaign1', 'a.test'), ordersPerHour: 60 }).events;
    if (!event) throw new TypeError('it was started');
    const roomAfter = (orders: readonly Date[], now: Date) => {
      const { bus } = given([event, NOW], ...orders.map((at) => [claim, at] as const));
      const [campaign] = bus.campaigns;
      if (!campaign) throw new TypeError('it goes on');
      return campaignRoom(campaign, now);
    };
    const wrong = Array.from({ length: 15 }, () => minutes(ahead));
    expect(roomAfter(wrong, NOW)).toEqual({ left: 0, at: minutes(1) });
    expect(roomAfter(wrong, minutes(5))).toEqual({ left: 5, at: minutes(5) });
    expect(roomAfter([...wrong, minutes(5)], minutes(5))).toEqual({ left: 4, at: minutes(5) });
    expect(roomAfter([...wrong, minutes(5)], minutes(600)).left).toBe(15);
  },
);

test('a campaign that a clock far ahead began goes on at once', () => {
  const ahead = { ...paced(60), startedAt: '2031-01-01T00:00:00.000Z', begun: 40, fullAt: '2031-01-01T00:20:00.000Z' };
  expect(campaignRoom(ahead, NOW)).toEqual({ left: 15, at: NOW });
  expect(campaignRoom(withOrder(ahead, NOW), NOW).left).toBe(14);
});

test('managers whose clocks differ keep the pace on the whole, and none of them is stalled', () => {
  const turns = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 600_000 })), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 500 }),
      fc.integer({ min: 0, max: 6 * HOUR_MS }),
      turns,
      (rate, ahead, all) => {
        const most = (now: number) => burstOf(rate) + ((now - NOW.getTime()) * rate) / HOUR_MS + 1;
        let campaign = paced(rate);
        let now = NOW.getTime();
        for (const [isAhead, pause] of all) {
          now += pause;
          const clock = new Date(isAhead ? now + ahead : now);
          for (let { left } = campaignRoom(campaign, clock); left > 0; left -= 1) campaign = withOrder(campaign, clock);
          expect(campaign.begun).toBeLessThanOrEqual(most(now + ahead));
        }
        // What is ahead of the pace alone is waited for.
        const early = Math.max(0, campaign.begun - most(now)) * (HOUR_MS / rate);
        const { at } = campaignRoom(campaign, new Date(now));
        expect(at.getTime() - now).toBeLessThanOrEqual(Math.max(early, 120_000) + (2 * HOUR_MS) / rate + 1);
      },
    ),
    { numRuns: 100 },
  );
});
