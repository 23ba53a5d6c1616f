/** Decides about campaigns: when one begins and ends, and when the next order of it can go. */
import type { CampaignOutcome, CampaignPredicate } from '@certbus/events';
import { type Campaign, campaignFullAt, campaignPace, MAX_CAMPAIGNS } from '@certbus/events/history';
import type { Decision } from '@certbus/store';
import { campaignNotFound, tooManyCampaigns } from '../errors.ts';
import type { ManagerState } from '../state/state.ts';

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

/**
 * Begins a campaign, unless one for the same goes on: a command that is repeated finds its own. Results in the id of the one that goes on.
 * Throws `CERTBUS_MANAGER_TOO_MANY_CAMPAIGNS` where the bus would not take it.
 */
export function startCampaign(
  state: ManagerState,
  { campaignId, predicate, certificates, ordersPerHour }: IntendedCampaign,
): Decision<{ readonly campaignId: string; readonly isNew: boolean }> {
  const open = openCampaigns(state);
  const same = open.find((campaign) => isAlike(campaign, predicate));
  if (same) return { events: [], result: { campaignId: same.campaignId, isNew: false } };
  if (open.length >= MAX_CAMPAIGNS) throw tooManyCampaigns(open);
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

/** The room that the pace of a campaign leaves, counted by the bus, so that several managers keep one pace. */
export function campaignRoom(
  { ordersPerHour, ...campaign }: Pick<Campaign, 'ordersPerHour' | 'startedAt' | 'begun' | 'fullAt'>,
  now: Date,
): CampaignRoom {
  if (ordersPerHour === undefined) return { left: Number.POSITIVE_INFINITY, at: now };
  const { burst, perOrderMs } = campaignPace(ordersPerHour);
  const fullAt = campaignFullAt({ ...campaign, ordersPerHour }, now);
  const left = Math.max(0, Math.floor(burst - (fullAt - now.getTime()) / perOrderMs));
  return { left, at: left > 0 ? now : new Date(fullAt - (burst - 1) * perOrderMs) };
}
