/** Finds what campaigns have left to replace. */
import type { ManagedCertificate } from '@certbus/events';
import type { Campaign } from '@certbus/events/history';
import type { Selection } from '@certbus/replica';
import type { Context } from '../../context.ts';
import { campaignRoom, openCampaigns } from '../../decide/campaign.ts';
import { rootHistoryOf } from '../../state/root-history.ts';
import { selectionOf } from './predicate.ts';

/** As many as are looked up at once. */
const PAGE = 500;

/** What of a campaign is left: certificates that it is for, of those that were obtained before it began. */
export const leftOf = ({ view }: Pick<Context, 'view'>, campaign: Campaign): Selection => ({
  ...selectionOf(campaign, rootHistoryOf(view)),
  obtainedBefore: campaign.position,
});

/** Whether a certificate is still to be replaced, by the newest state: the replica may be some commits behind. */
function isLeft({ removed, current, issuance }: ManagedCertificate, { position }: Campaign): boolean {
  return !removed && current !== undefined && !issuance && (current.origin?.position ?? 0) < position;
}

/** What campaigns want replaced now. */
export interface CampaignWork {
  /** As many of each as its pace allows, read as they are asked for. None of them is due, or put off. */
  readonly members: Iterable<ManagedCertificate>;
  /** The campaign of a member that was read; `undefined` for any other certificate. */
  campaignOf(certificateId: string): string | undefined;
}

/** The certificates of a selection that are not due and that nothing puts off, `limit` at most. */
function* readyOf(
  { view }: Pick<Context, 'view'>,
  selection: Selection,
  { now, limit }: { readonly now: Date; readonly limit: number },
): Iterable<ManagedCertificate> {
  let left = limit;
  for (let after: number | undefined = 0; after !== undefined && left > 0; ) {
    const page = view.replica.selected(selection, { after, limit: Math.min(PAGE, left), readyAt: now });
    for (const certificateId of page.certificateIds) {
      const certificate = view.state.certificate(certificateId);
      if (certificate) yield certificate;
    }
    left -= page.certificateIds.length;
    after = page.last;
  }
}

/** Finds what campaigns want replaced now, `limit` of each at most. */
export function campaignWork(context: Context, { limit }: { readonly limit: number }): CampaignWork {
  const campaigns = new Map<string, string>();
  const now = context.now();
  function* members(): Iterable<ManagedCertificate> {
    for (const campaign of openCampaigns(context.view.state)) {
      const most = Math.min(limit, campaignRoom(campaign, now).left);
      for (const certificate of readyOf(context, leftOf(context, campaign), { now, limit: most })) {
        if (!isLeft(certificate, campaign) || campaigns.has(certificate.certificateId)) continue;
        campaigns.set(certificate.certificateId, campaign.campaignId);
        yield certificate;
      }
    }
  }
  return { members: members(), campaignOf: (certificateId) => campaigns.get(certificateId) };
}

/**
 * Whether nothing of a campaign is left, as far as is known: a replica that has not come to the beginning of the campaign lacks certificates
 * that it is for.
 */
export function isDone({ view }: Pick<Context, 'view'>, campaign: Campaign): boolean {
  if (view.replica.checkpoint().position < campaign.position) return false;
  const selection = leftOf({ view }, campaign);
  for (let after: number | undefined = 0; after !== undefined; ) {
    const page = view.replica.selected(selection, { after, limit: PAGE });
    for (const certificateId of page.certificateIds) {
      const { removed, current } = view.state.certificate(certificateId) ?? { removed: true, current: undefined };
      if (!removed && (current?.origin?.position ?? 0) < campaign.position) return false;
    }
    after = page.last;
  }
  return true;
}
