/** Names a limit that leaves no room for an order, and puts it into words. */
import type { LedgerLimit } from '@certbus/events/history';

/** A limit that leaves no room for an order. */
export interface BindingLimit {
  /** `campaign`: the pace of a campaign, and not a limit of the CA. */
  readonly limit: LedgerLimit | 'campaign';
  /** The domain, name or names that it is about; the directory for `orders`; the id of a campaign. */
  readonly subject: string;
  /** Directory of the CA whose limit it is, which can be a second one; absent for `campaign`. */
  readonly directory?: string;
  /** From when on there is room. */
  readonly until: Date;
}

const WORDS: Readonly<Record<BindingLimit['limit'], (subject: string) => string>> = {
  orders: (directory) => `the account has made as many new orders at ${directory} as the CA takes`,
  domains: (domain) => `the CA has issued as many certificates for ${domain} and names below it as it does in a week`,
  'name-sets': (names) =>
    `the CA has issued as many certificates for exactly ${names.replaceAll(' ', ', ')} as it does in a week`,
  failures: (name) => `the CA has refused to validate ${name} as often as it does in an hour`,
  campaign: (campaignId) => `campaign ${campaignId} has begun as many orders as its pace allows`,
};

/** Why an order waits, as the end of a sentence. */
export const describeLimit = ({ limit, subject }: BindingLimit): string => WORDS[limit](subject);
