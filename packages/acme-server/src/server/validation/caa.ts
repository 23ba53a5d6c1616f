/** Checks that the CAA records of a name allow to issue. */
import { ProblemDocument } from '../problem-document.ts';
import type { CaaRecord } from './dns-lookup.ts';
import { parseIssueValue } from './issue-value.ts';
import type { MethodContext } from './method.ts';

const KNOWN = new Set(['issue', 'issuewild', 'iodef', 'issuemail', 'issuevmc', 'contactemail', 'contactphone']);

/** The records nearest to a name, from itself upwards (RFC 8659 §3). */
async function relevantRecords({ dns, authorization }: MethodContext): Promise<readonly CaaRecord[]> {
  const labels = authorization.identifier.value.split('.');
  for (let depth = 0; depth < labels.length; depth += 1) {
    const records = await dns.caa(labels.slice(depth).join('.'));
    if (records.length > 0) return records;
  }
  return [];
}

function hasUnknownCritical(records: readonly CaaRecord[]): boolean {
  return records.some(({ critical, ...properties }) => critical >= 128 && !Object.keys(properties).some(isKnown));
}

const isKnown = (property: string) => KNOWN.has(property.toLowerCase());

/** Whether one value allows this CA, account and method (RFC 8659 §4.2, RFC 8657 §3, §4). */
function allows(text: string, { settings, accountUrl, challenge }: MethodContext): boolean {
  const value = parseIssueValue(text);
  if (!value || !settings.caaIdentities.includes(value.issuer)) return false;
  const accountUri = value.parameters.get('accounturi');
  const methods = value.parameters.get('validationmethods');
  if (accountUri !== undefined && accountUri !== accountUrl) return false;
  return methods === undefined || methods.split(',').includes(challenge.type);
}

/** Throws `caa` where the CAA records of a name forbid to issue for it. */
export async function checkCaa(context: MethodContext): Promise<void> {
  const { identifier, isWildcard } = context.authorization;
  if (identifier.type === 'ip') return;
  const records = await relevantRecords(context);
  const valuesOf = (property: string) => records.map((record) => record[property]).filter((each) => each !== undefined);
  const wild = isWildcard ? valuesOf('issuewild') : [];
  const values = wild.length > 0 ? wild : valuesOf('issue');
  const isForbidden = values.length > 0 && !values.some((value) => allows(String(value), context));
  if (!isForbidden && !hasUnknownCritical(records)) return;
  throw new ProblemDocument('caa', `CAA record for ${identifier.value} prevents issuance`);
}
