/** Decides about campaigns: when one begins and ends, and when the next order of it can go. */
import type { CampaignOutcome, CampaignPredicate } from '@certbus/events';
import type { Campaign } from '@certbus/events/history';
import type { Decision } from '@certbus/store';
import { campaignNotFound } from '../errors.ts';
import type { ManagerState } from '../state/state.ts';

const HOUR_MS = 3_600_000;
/** A part of an hour's orders can go at once, so that managers that run now and then keep the pace, too. */
const BURST = 1 / 4;

/** What is to be replaced, and how fast. */
export interface IntendedCampaign {
  readonly campaignId: string;
  readonly predicate: CampaignPredicate;
  /** How many certificates it is for. */
  readonly certificates: number;
  readonly ordersPerHour: number | undefined;
}

/** Every condition that a predicate can have. */
const CONDITIONS = [
  'domain',
  'pattern',
  'directory',
  'profile',
  'keyType',
  'issuer',
  'issuedBefore',
  'sealedTo',
  'obtainedBy',
  'obtainedSince',
] as const satisfies readonly (keyof CampaignPredicate)[];

/** The conditions that are given, without all else that a campaign has. */
export const predicateOf = (from: CampaignPredicate): CampaignPredicate =>
  Object.fromEntries(CONDITIONS.flatMap((key) => (from[key] === undefined ? [] : [[key, from[key]]])));

/** Whether two are for the same certificates, whenever they begin. */
const isAlike = (one: CampaignPredicate, other: CampaignPredicate): boolean =>
  JSON.stringify(predicateOf(one)) === JSON.stringify(predicateOf(other));

/** The campaigns that go on. */
export const openCampaigns = ({ bus }: Pick<ManagerState, 'bus'>): readonly Campaign[] =>
  bus.campaigns.filter(({ ended }) => !ended);

/** A campaign, whether it goes on or has ended. Throws `CERTBUS_MANAGER_CAMPAIGN_NOT_FOUND`. */
export function campaignOf({ bus }: Pick<ManagerState, 'bus'>, campaignId: string): Campaign {
  const campaign = bus.campaigns.find((each) => each.campaignId === campaignId);
  if (!campaign) throw campaignNotFound(campaignId, bus.campaigns);
  return campaign;
}

/** Begins a campaign, unless one for the same goes on: a command that is repeated finds its own. Results in the id of the one that goes on. */
export function startCampaign(
  state: ManagerState,
  { campaignId, predicate, certificates, ordersPerHour }: IntendedCampaign,
): Decision<{ readonly campaignId: string; readonly isNew: boolean }> {
  const same = openCampaigns(state).find((campaign) => isAlike(campaign, predicate));
  if (same) return { events: [], result: { campaignId: same.campaignId, isNew: false } };
  const pace = ordersPerHour === undefined ? {} : { ordersPerHour };
  const event = { type: 'CampaignStarted' as const, campaignId, ...predicate, certificates, ...pace };
  return { events: [event], result: { campaignId, isNew: true } };
}

/** Ends a campaign, unless it has ended. Throws `CERTBUS_MANAGER_CAMPAIGN_NOT_FOUND`. */
export function endCampaign(
  state: ManagerState,
  campaignId: string,
  outcome: CampaignOutcome,
): Decision<{ readonly hasEnded: boolean }> {
  const { ended } = campaignOf(state, campaignId);
  if (ended) return { events: [], result: { hasEnded: false } };
  return { events: [{ type: 'CampaignEnded', campaignId, outcome }], result: { hasEnded: true } };
}

/** How many orders of a campaign can go now, and from when on one can. */
export interface CampaignRoom {
  readonly left: number;
  /** `now` where one can go. */
  readonly at: Date;
}

/** How fast a campaign of so many orders an hour goes: how many at once, and the time of each beyond those, milliseconds. */
export function campaignPace(ordersPerHour: number): { readonly burst: number; readonly perOrderMs: number } {
  return { burst: Math.max(1, Math.floor(ordersPerHour * BURST)), perOrderMs: HOUR_MS / ordersPerHour };
}

/** The room that the pace of a campaign leaves, counted by the bus, so that several managers keep one pace. */
export function campaignRoom(
  { ordersPerHour, fullAt }: Pick<Campaign, 'ordersPerHour' | 'fullAt'>,
  now: Date,
): CampaignRoom {
  if (ordersPerHour === undefined) return { left: Number.POSITIVE_INFINITY, at: now };
  const { burst, perOrderMs } = campaignPace(ordersPerHour);
  const at = now.getTime();
  // No clock that was ahead keeps a campaign waiting for longer than its bucket takes to fill.
  const waitMs = Math.min(Math.max(0, (fullAt === undefined ? 0 : Date.parse(fullAt)) - at), burst * perOrderMs);
  const left = Math.floor(burst - waitMs / perOrderMs);
  return { left, at: left > 0 ? now : new Date(at + waitMs - (burst - 1) * perOrderMs) };
}
