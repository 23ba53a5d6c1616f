/** Events about campaigns, in which many certificates are replaced. */
import type { KeyType } from './certificate-events.ts';

/** Which certificates a campaign is for; each condition that is given has to hold. Without any it is for all. */
export interface CampaignPredicate {
  /** Certificates for this domain, a name below it, or a wildcard of either. */
  readonly domain?: string | undefined;
  /** Certificates with a name that this fits: `*` stands for any characters, dots too. */
  readonly pattern?: string | undefined;
  /** The CA that they are renewed at. */
  readonly directory?: string | undefined;
  readonly profile?: string | undefined;
  readonly keyType?: KeyType | undefined;
  /** SHA-256 of the certificate that issued them, base64url. */
  readonly issuer?: string | undefined;
  /** Their lifetime began before then, ISO 8601. */
  readonly issuedBefore?: string | undefined;
  /** Their private key was sealed to this age recipient. */
  readonly sealedTo?: string | undefined;
  /** The manager with this signing key (base64url) obtained them, or made their private key. */
  readonly obtainedBy?: string | undefined;
  /** They were obtained at this position or later. */
  readonly obtainedSince?: number | undefined;
}

/** All certificates that the predicate fits, of those that were obtained before this event, are to be replaced. */
export interface CampaignStarted extends CampaignPredicate {
  readonly type: 'CampaignStarted';
  readonly campaignId: string;
  /** How many they were, for people. */
  readonly certificates: number;
  /** How many orders it makes an hour at most; absent where only the limits of the CA count. */
  readonly ordersPerHour?: number | undefined;
}

/** How a campaign can end. */
export const CAMPAIGN_OUTCOMES = ['completed', 'cancelled'] as const;

/** How a campaign ended. */
export type CampaignOutcome = (typeof CAMPAIGN_OUTCOMES)[number];

/** A campaign is over: nothing is left to replace, or a person ended it. */
export interface CampaignEnded {
  readonly type: 'CampaignEnded';
  readonly campaignId: string;
  readonly outcome: CampaignOutcome;
}
