/** Validates dns-persist-01. */
import { ProblemDocument } from '../problem-document.ts';
import { type IssueValue, parseIssueValue } from './issue-value.ts';
import type { MethodContext } from './method.ts';

/** Why a record for this CA does not authorize; `undefined` where it does. */
function faultOf({ parameters }: IssueValue, context: MethodContext): string | undefined {
  const { accountUrl, authorization, now } = context;
  const accountUri = parameters.get('accounturi');
  if (accountUri === undefined) return 'it has no accounturi';
  if (accountUri !== accountUrl) return `its accounturi is ${accountUri} and not ${accountUrl}`;
  if (authorization.isWildcard && parameters.get('policy')?.toLowerCase() !== 'wildcard') {
    return 'it does not have policy=wildcard';
  }
  const until = parameters.get('persistuntil');
  if (until === undefined) return undefined;
  if (!/^\d{1,12}$/.test(until)) return 'its persistUntil is not a number of seconds';
  return Number(until) * 1000 < now.getTime() ? 'its persistUntil is over' : undefined;
}

/** draft-ietf-acme-dns-persist-01: a standing record that names this CA and the account. */
export async function validateDnsPersist01(context: MethodContext): Promise<void> {
  const { dns, settings, authorization } = context;
  const name = `_validation-persist.${authorization.identifier.value}`;
  const values = (await dns.txt(name)).map(parseIssueValue);
  const ours = values.filter((value) => value !== undefined && settings.caaIdentities.includes(value.issuer));
  const faults = ours.map((value) => value && faultOf(value, context));
  if (faults.includes(undefined)) return;
  const why = faults.length === 0 ? `no TXT record names ${settings.caaIdentities.join(' or ')}` : faults.join('; ');
  throw new ProblemDocument('unauthorized', `The record at ${name} does not authorize: ${why}`);
}
