/** Tests of what is decided about campaigns. */
import type { Campaign } from '@certbus/events/history';
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

test('whenever managers run, a pace is never exceeded by more than a quarter of an hour’s orders, and is kept on the whole', () => {
  const waits = fc.array(fc.integer({ min: 0, max: 2 * HOUR_MS }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), waits, (ordersPerHour, pauses) => {
      const perOrderMs = HOUR_MS / ordersPerHour;
      const burst = Math.max(1, Math.floor(ordersPerHour / 4));
      let campaign: Pick<Campaign, 'ordersPerHour' | 'fullAt'> = { ordersPerHour };
      let [now, begun] = [NOW.getTime(), 0];
      for (const pause of pauses) {
        now += pause;
        for (
          let room = campaignRoom(campaign, new Date(now));
          room.left > 0;
          room = campaignRoom(campaign, new Date(now))
        ) {
          begun += 1;
          const full = Math.max(now, campaign.fullAt === undefined ? 0 : Date.parse(campaign.fullAt));
          campaign = { ordersPerHour, fullAt: new Date(full + perOrderMs).toISOString() };
        }
        expect(begun).toBeLessThanOrEqual(burst + (now - NOW.getTime()) / perOrderMs + 1);
        const { at } = campaignRoom(campaign, new Date(now));
        expect(at.getTime()).toBeGreaterThan(now - 1);
        expect(at.getTime() - now).toBeLessThanOrEqual(perOrderMs + 1);
      }
    }),
    { numRuns: 50 },
  );
});

test('a clock that was years ahead keeps a campaign waiting for a quarter of an hour at most', () => {
  const { left, at } = campaignRoom({ ordersPerHour: 60, fullAt: '2031-01-01T00:00:00Z' }, NOW);
  expect({ left, minutes: (at.getTime() - NOW.getTime()) / 60_000 }).toEqual({ left: 0, minutes: 1 });
});
