/** Terms of service, and the accounts that have yet to agree to them. */
import { link } from './exchange.ts';
import { ProblemDocument } from './problem-document.ts';
import type { Account } from './records.ts';

/** Terms of service, and who has not agreed to their newest text (RFC 8555 §7.3.3). */
export interface Terms {
  /** Where they are; `null` where there are none. */
  url: string | null;
  readonly outdated: Set<Account>;
}

/** The problem for an account that has to agree: where the terms are and, where given, where a person agrees. */
export function agreementRequired(url: string, instance?: string): ProblemDocument {
  return new ProblemDocument('userActionRequired', `The terms at ${url} have to be agreed to`, {
    headers: { link: link(url, 'terms-of-service') },
    ...(instance === undefined ? {} : { members: { instance } }),
  });
}

/** Throws `userActionRequired` for an account that agreed to older terms only. */
export function checkAgreement({ url, outdated }: Terms, account: Account, website: string): void {
  if (url !== null && outdated.has(account)) throw agreementRequired(url, `${website}agree?account=${account.id}`);
}
