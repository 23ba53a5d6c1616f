/** The campaigns of a bus, as its events make them. */
import type { CampaignEnded, CampaignStarted } from '../event-types/campaign-events.ts';

/** A campaign. Plain JSON. */
export interface Campaign extends Omit<CampaignStarted, 'type'> {
  /** Position of the commit that started it: certificates that were obtained behind it are not part of it. */
  readonly position: number;
  /** When that was signed, ISO 8601. */
  readonly startedAt: string;
  /** How many orders were begun for it. */
  readonly begun: number;
  /** When its bucket of orders is full again, ISO 8601; absent without {@link CampaignStarted.ordersPerHour}, and before the first order. */
  readonly fullAt?: string | undefined;
  /** How and when it ended; absent while it goes on. */
  readonly ended?: Pick<CampaignEnded, 'outcome'> & { readonly at: string };
}

/** How many a bus keeps: anyone who has a manager's key could start any number of them. */
export const MAX_CAMPAIGNS = 20;

const HOUR_MS = 3_600_000;
/** A part of an hour's orders can go at once, so that managers that run now and then keep the pace, too. */
const BURST = 1 / 4;
/** How far the clock of another manager can be ahead. What is later yet was written by one that is wrong. */
const AHEAD_MS = 120_000;
/** No instant of a bus is later. */
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z');

/** How fast a campaign of so many orders an hour goes: how many at once, and the time of each beyond those, milliseconds. */
export function campaignPace(ordersPerHour: number): { readonly burst: number; readonly perOrderMs: number } {
  return { burst: Math.max(1, Math.floor(ordersPerHour * BURST)), perOrderMs: HOUR_MS / ordersPerHour };
}

/** What a campaign says of its pace. */
type PacedCampaign = Pick<Campaign, 'startedAt' | 'begun' | 'fullAt'> & { readonly ordersPerHour: number };

/**
 * When the bucket of a campaign is full again, milliseconds since 1970; `now` where it is. An instant of a clock that was wrong does not count:
 * the bucket is then as its orders would have left it, had they been begun from the start on without a pause.
 */
export function campaignFullAt({ ordersPerHour, startedAt, begun, fullAt }: PacedCampaign, now: Date): number {
  const { burst, perOrderMs } = campaignPace(ordersPerHour);
  const [at, latest] = [now.getTime(), now.getTime() + AHEAD_MS];
  const full = fullAt === undefined ? at : Date.parse(fullAt);
  if (full <= latest + burst * perOrderMs) return Math.max(at, full);
  // Were it full, two managers whose clocks differ would fill it for one another at every order.
  const start = Date.parse(startedAt);
  return start <= latest ? Math.max(at, start + begun * perOrderMs) : at;
}

/** Adds a campaign. Where that is one too many, the oldest that has ended goes; where none has, the new one is not taken. */
export function withCampaign(
  campaigns: readonly Campaign[],
  { type: _, ...started }: CampaignStarted,
  { position, at }: { readonly position: number; readonly at: Date },
): readonly Campaign[] {
  if (campaigns.some(({ campaignId }) => campaignId === started.campaignId)) return campaigns;
  const next = [...campaigns, { ...started, position, startedAt: at.toISOString(), begun: 0 }];
  if (next.length <= MAX_CAMPAIGNS) return next;
  const oldest = next.find(({ ended }) => ended);
  return oldest ? next.filter((each) => each !== oldest) : campaigns;
}

/** Changes a campaign that goes on. */
function change(
  campaigns: readonly Campaign[],
  campaignId: string,
  how: (campaign: Campaign) => Partial<Campaign>,
): readonly Campaign[] {
  // Nearly every commit finds none.
  if (campaigns.length === 0) return campaigns;
  return campaigns.map((campaign) =>
    campaign.campaignId === campaignId && !campaign.ended ? { ...campaign, ...how(campaign) } : campaign,
  );
}

/** Ends a campaign. */
export const withoutCampaign = (
  campaigns: readonly Campaign[],
  { campaignId, outcome }: CampaignEnded,
  at: Date,
): readonly Campaign[] => change(campaigns, campaignId, () => ({ ended: { outcome, at: at.toISOString() } }));

/** Counts an order of a campaign: each moves the instant at which its bucket is full by its share of an hour. */
export const withCampaignOrder = (campaigns: readonly Campaign[], campaignId: string, at: Date): readonly Campaign[] =>
  change(campaigns, campaignId, (campaign) => {
    const { begun, ordersPerHour } = campaign;
    if (ordersPerHour === undefined) return { begun: begun + 1 };
    const full = campaignFullAt({ ...campaign, ordersPerHour }, at) + campaignPace(ordersPerHour).perOrderMs;
    return { begun: begun + 1, fullAt: new Date(Math.min(full, LAST_MS)).toISOString() };
  });
