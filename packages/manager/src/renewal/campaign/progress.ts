/** Ends campaigns that have nothing left, and says when the others go on. */
import { type Context, decide } from '../../context.ts';
import { campaignRoom, endCampaign, openCampaigns } from '../../decide/campaign.ts';
import type { RenewalOutcome } from '../outcome.ts';
import { isDone, leftOf } from './members.ts';

/** What waits for something that the bus does not tell, such as the end of an outage, is looked at again so soon. */
const LOOK_AGAIN_MS = 60_000;

/** Records the end of every campaign that has nothing left to replace. */
export async function completeCampaigns(context: Context, { signal }: { readonly signal: AbortSignal }): Promise<void> {
  for (const campaign of openCampaigns(context.view.state)) {
    if (!isDone(context, campaign)) continue;
    await decide(context, (state) => endCampaign(state, campaign.campaignId, 'completed'), { signal });
    context.logger.info('a campaign is completed', { campaignId: campaign.campaignId });
  }
}

/** When what a run could not renew can be tried again; `undefined` where it can be at once. */
function waitOf({ outcome, until, error }: RenewalOutcome, now: Date): Date | undefined {
  if (outcome === 'postponed' && until) return until;
  return error === undefined ? undefined : new Date(now.getTime() + LOOK_AGAIN_MS);
}

/** When campaigns go on: once their pace, a back-off or a limit of the CA leaves room. `undefined` where none goes on. */
export function nextCampaignAt(context: Context, outcomes: readonly RenewalOutcome[]): Date | undefined {
  const now = context.now();
  const tried = new Map(outcomes.map((outcome) => [outcome.certificateId, outcome]));
  const instants = openCampaigns(context.view.state).flatMap((campaign) => {
    const { replica } = context.view;
    const selection = leftOf(context, campaign);
    const { at } = campaignRoom(campaign, now);
    const limit = outcomes.length + 1;
    const ready = replica.selected(selection, { limit, readyAt: now }).certificateIds;
    const waits = ready.map((certificateId) => {
      const outcome = tried.get(certificateId);
      return Math.max(at.getTime(), (outcome && waitOf(outcome, now))?.getTime() ?? 0);
    });
    const resumed = replica.nextReady(selection, now)?.getTime();
    return [...waits, ...(resumed === undefined ? [] : [Math.max(at.getTime(), resumed)])];
  });
  const first = instants.reduce((least, each) => Math.min(least, each), Number.POSITIVE_INFINITY);
  return Number.isFinite(first) ? new Date(first) : undefined;
}
