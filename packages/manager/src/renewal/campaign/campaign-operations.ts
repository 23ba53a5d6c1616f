/** What a person does with campaigns: starts, looks at, and cancels them. */
import { type CampaignPredicate, createId, type ManagedCertificate } from '@certbus/events';
import type { Campaign } from '@certbus/events/history';
import type { Selection } from '@certbus/replica';
import type { Configuration } from '../../configuration/configuration.ts';
import { requireConfiguration, withConfiguration } from '../../configuration/stored-configuration.ts';
import { type Context, decide } from '../../context.ts';
import { campaignOf, endCampaign, predicateOf, startCampaign } from '../../decide/campaign.ts';
import { openViewAt } from '../../state/picture.ts';
import { rootHistoryOf } from '../../state/root-history.ts';
import type { ManagerState } from '../../state/state.ts';
import { forecastSelection } from '../plan/plan.ts';
import type { ReplacementForecast } from '../plan/replacement.ts';
import { leftOf } from './members.ts';
import { type Predicate, resolvePredicate, selectionOf } from './predicate.ts';

/** What is to be replaced, and how fast. */
export interface CampaignRequest {
  readonly predicate: Predicate;
  /** How many orders an hour at most; default as many as the limits of the CA allow. */
  readonly ordersPerHour?: number | undefined;
  /** How long an order takes, for the forecast, seconds; default 7. */
  readonly orderSeconds?: number | undefined;
}

/** What a campaign would replace, and when it would be done. */
export interface CampaignPlan {
  readonly predicate: CampaignPredicate;
  readonly forecast: ReplacementForecast;
  /** The names of the first ten of them. */
  readonly first: readonly (readonly string[])[];
  /** The campaign for the same that goes on already; starting it again changes nothing. */
  readonly same: string | undefined;
}

/** A certificate of a campaign that failed since it was last issued. */
export interface FailingMember {
  readonly certificateId: string;
  readonly names: readonly string[];
  readonly problem: string;
  readonly detail: string;
  readonly attempts: number;
  /** When it is tried again. */
  readonly notBefore: Date;
}

/** How a campaign stands. */
export interface CampaignStatus {
  readonly campaignId: string;
  readonly predicate: CampaignPredicate;
  readonly state: 'running' | 'completed' | 'cancelled';
  readonly startedAt: Date;
  readonly endedAt: Date | undefined;
  readonly ordersPerHour: number | undefined;
  /** How many certificates it was for. */
  readonly certificates: number;
  /** How many of them are replaced, or were removed. */
  readonly done: number;
  /** How many orders were begun for it. */
  readonly begun: number;
  /** The first 1,000 of those that are left and have failed; they are tried again by their back-off. */
  readonly failing: readonly FailingMember[];
  readonly failingCount: number;
  /** When the rest is done, as far as it does not fail; `undefined` once the campaign has ended. */
  readonly forecast: ReplacementForecast | undefined;
}

/** A manager's operations on campaigns. */
export interface CampaignOperations {
  /**
   * What a campaign would replace and when it would be done, on the bus's own state; nothing is changed. Rejects
   * `CERTBUS_MANAGER_CONFIG_MISSING`, `CERTBUS_MANAGER_CONFIG_INVALID` for an authority that is not there,
   * `CERTBUS_MANAGER_RECIPIENT_NOT_FOUND`, `CERTBUS_MANAGER_MANAGER_NOT_FOUND`, and `CERTBUS_MANAGER_TOO_MANY_CAMPAIGNS` where 20 go on.
   */
  planCampaign(request: CampaignRequest, options: CampaignOptions): Promise<CampaignPlan>;
  /**
   * Starts a campaign, which every run of a manager goes on with. `undefined` where there is nothing to replace. Where one for the same goes
   * on, that is returned. Rejects as {@link CampaignOperations.planCampaign}.
   */
  startCampaign(request: CampaignRequest, options: CampaignOptions): Promise<CampaignStatus | undefined>;
  /** The campaigns of the bus, newest last. */
  campaigns(options: CampaignLookOptions): Promise<readonly CampaignStatus[]>;
  /** How one stands. Rejects `CERTBUS_MANAGER_CAMPAIGN_NOT_FOUND`. */
  campaign(campaignId: string, options: CampaignLookOptions): Promise<CampaignStatus>;
  /** Ends a campaign: what is not replaced yet stays as it is. Rejects `CERTBUS_MANAGER_CAMPAIGN_NOT_FOUND`. */
  cancelCampaign(campaignId: string, options: CampaignOptions): Promise<CampaignStatus>;
}

/** How an operation behaves. */
export interface CampaignOptions {
  readonly signal: AbortSignal;
}

/** How campaigns are looked at. */
export interface CampaignLookOptions extends CampaignOptions {
  /** The instant to go back to, forecasts included: the bus is read from its beginning into memory. Default: now. */
  readonly at?: Date | undefined;
}

/** How many failing ones are listed. */
const MAX_LISTED = 1_000;
/** How many are shown before a campaign begins. */
const SHOWN = 10;

function failingOf({ certificateId, names, failure }: ManagedCertificate): readonly FailingMember[] {
  if (!failure) return [];
  const { problem, detail, attempt, notBefore } = failure;
  return [{ certificateId, names, problem, detail, attempts: attempt, notBefore: new Date(notBefore) }];
}

function countOf({ view }: Context, selection: Selection): number {
  return view.replica.countDuties(selection).reduce((sum, { certificates }) => sum + certificates, 0);
}

function statusOf(context: Context, config: Configuration, campaign: Campaign): CampaignStatus {
  const { campaignId, startedAt, ordersPerHour, certificates, begun, ended } = campaign;
  const selection = leftOf(context, campaign);
  const { replica, state } = context.view;
  const isFailing = { ...selection, isFailing: true };
  const { certificateIds } = ended ? { certificateIds: [] } : replica.selected(isFailing, { limit: MAX_LISTED });
  return {
    campaignId,
    predicate: predicateOf(campaign),
    state: ended ? ended.outcome : 'running',
    startedAt: new Date(startedAt),
    endedAt: ended && new Date(ended.at),
    ordersPerHour,
    certificates,
    done: Math.max(0, certificates - countOf(context, selection)),
    begun,
    failing: certificateIds.flatMap((id) => state.certificate(id) ?? []).flatMap(failingOf),
    failingCount: ended ? 0 : countOf(context, isFailing),
    forecast: ended ? undefined : forecastSelection(context, config, { selection, ordersPerHour }),
  };
}

/** The operations of one manager. */
export function campaignOperations(context: Context): CampaignOperations {
  const { view } = context;

  /** Catches up, so that the replica has all that is counted. */
  async function open(options: CampaignOptions): Promise<Configuration> {
    const { config } = await withConfiguration(context, options);
    await view.written();
    return config;
  }

  async function planIn(config: Configuration, { predicate, ordersPerHour, orderSeconds }: CampaignRequest) {
    const history = rootHistoryOf(view);
    const resolved = resolvePredicate(predicate, config, history);
    const selection = selectionOf(resolved, history);
    const pace = { ordersPerHour, ...(orderSeconds === undefined ? {} : { orderSeconds }) };
    const forecast = forecastSelection(context, config, { selection, ...pace });
    const intended = {
      campaignId: createId(),
      predicate: resolved,
      certificates: forecast.certificates,
      ordersPerHour,
    };
    const found = startCampaign(view.state, intended).result;
    const { certificateIds } = view.replica.selected(selection, { limit: SHOWN });
    const first = certificateIds.flatMap((id) => view.state.certificate(id) ?? []).map(({ names }) => names);
    return { intended, forecast, first, same: found.isNew ? undefined : found.campaignId };
  }

  const one = (config: Configuration, campaignId: string) =>
    statusOf(context, config, campaignOf(view.state, campaignId));

  /** Some of the campaigns that the bus had at an instant, as they stood then. */
  async function earlier(
    at: Date,
    choose: (state: ManagerState) => readonly Campaign[],
    { signal }: CampaignOptions,
  ): Promise<readonly CampaignStatus[]> {
    const then: Context = { ...context, view: await openViewAt(context.bus, at, { signal }), now: () => at };
    try {
      const chosen = choose(then.view.state);
      if (chosen.length === 0) return [];
      const config = await requireConfiguration(then);
      return chosen.map((campaign) => statusOf(then, config, campaign));
    } finally {
      await then.view.replica.close();
    }
  }

  return {
    async planCampaign(request, options) {
      const { intended, ...planned } = await planIn(await open(options), request);
      return { predicate: intended.predicate, ...planned };
    },
    async startCampaign(request, { signal }) {
      const config = await open({ signal });
      const { intended, same } = await planIn(config, request);
      if (intended.certificates === 0 && same === undefined) return undefined;
      const { campaignId } = await decide(context, (state) => startCampaign(state, intended), { signal });
      await view.written();
      return one(config, campaignId);
    },
    async campaigns({ at, ...options }) {
      if (at) return earlier(at, ({ bus }) => bus.campaigns, options);
      const config = await open(options);
      return view.state.bus.campaigns.map((campaign) => statusOf(context, config, campaign));
    },
    async campaign(campaignId, { at, ...options }) {
      if (!at) return one(await open(options), campaignId);
      const [found] = await earlier(at, (state) => [campaignOf(state, campaignId)], options);
      if (!found) throw new TypeError('a campaign was found, and has a status');
      return found;
    },
    async cancelCampaign(campaignId, { signal }) {
      const config = await open({ signal });
      await decide(context, (state) => endCampaign(state, campaignId, 'cancelled'), { signal });
      await view.written();
      return one(config, campaignId);
    },
  };
}
