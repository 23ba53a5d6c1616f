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

/** Anyone who has a manager's key could start any number of them. */
export const MAX_CAMPAIGNS = 20;

const HOUR_MS = 3_600_000;

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
  change(campaigns, campaignId, ({ begun, ordersPerHour, fullAt }) => {
    if (ordersPerHour === undefined) return { begun: begun + 1 };
    const from = Math.max(at.getTime(), fullAt === undefined ? 0 : Date.parse(fullAt));
    return { begun: begun + 1, fullAt: new Date(from + HOUR_MS / ordersPerHour).toISOString() };
  });
