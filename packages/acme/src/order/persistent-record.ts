/** The TXT records that allow an account to issue for good (draft-ietf-acme-dns-persist-01). */

/** What a standing record must allow (draft-ietf-acme-dns-persist-01). */
export interface PersistentGrant {
  /** Names by which the CA goes; any of them will do. */
  readonly issuers: readonly string[];
  /** URI of the account, compared as it stands. */
  readonly accountUrl: string;
  /** Whether names below are to be proved, too. */
  readonly isWildcard: boolean;
}

/** A record that allows what is wanted. */
export interface Allowance {
  /** Until when; `undefined`: without end. */
  readonly until: Date | undefined;
}

interface IssueValue {
  readonly issuer: string;
  /** By tag in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const domainOf = (text: string): string => text.trim().toLowerCase().replace(/\.$/, '');

/** Takes a value of RFC 8659 §4.2 apart; a string says what is wrong with it. */
function parseValue(text: string): IssueValue | string {
  const [issuer = '', ...rest] = text.split(';');
  const parameters = new Map<string, string>();
  for (const parameter of rest) {
    const [, tag, value] = /^[ \t]*([a-z\d]+)[ \t]*=[ \t]*([\x21-\x3a\x3c-\x7e]*)[ \t]*$/i.exec(parameter) ?? [];
    if (tag === undefined || value === undefined) return 'is malformed (TAG=VALUE belongs between its semicolons)';
    if (parameters.has(tag.toLowerCase())) return `has ${tag} twice`;
    parameters.set(tag.toLowerCase(), value);
  }
  return { issuer: domainOf(issuer), parameters };
}

/** Whether a record speaks to this CA; others are none of its business. */
function isFor(text: string, { issuers }: PersistentGrant): boolean {
  return issuers.some((issuer) => domainOf(issuer) === domainOf(text.split(';')[0] ?? ''));
}

function judge(text: string, { accountUrl, isWildcard }: PersistentGrant, now: Date): Allowance | string {
  const value = parseValue(text);
  if (typeof value === 'string') return value;
  const { parameters } = value;
  const account = parameters.get('accounturi');
  if (account === undefined) return 'has no accounturi';
  if (account !== accountUrl) return 'is for another account';
  if (isWildcard && parameters.get('policy')?.toLowerCase() !== 'wildcard') return 'does not have policy=wildcard';
  const seconds = parameters.get('persistuntil');
  if (seconds === undefined) return { until: undefined };
  if (!/^\d{1,11}$/.test(seconds)) return 'has a persistUntil that is not a number of seconds';
  const until = new Date(Number(seconds) * 1000);
  return until > now ? { until } : `was over on ${until.toISOString()}`;
}

/** What the records of a name allow: the one that lasts longest, or in words why none does. */
export function readGrant(records: readonly string[], grant: PersistentGrant, now: Date): Allowance | string {
  const verdicts = records.filter((text) => isFor(text, grant)).map((text) => judge(text, grant, now));
  const allowing = verdicts.filter((verdict) => typeof verdict !== 'string');
  const lasting = ({ until }: Allowance) => until?.getTime() ?? Number.POSITIVE_INFINITY;
  const [best] = allowing.toSorted((one, other) => lasting(other) - lasting(one));
  if (best) return best;
  const [why] = verdicts;
  if (typeof why === 'string') return `the record for ${grant.issuers[0]} ${why}`;
  return `no record is for ${grant.issuers.join(' or ')}`;
}

/** The record to set, as its value goes into DNS. */
export function recordFor({ issuers, accountUrl, isWildcard }: PersistentGrant): string {
  return `${issuers[0]}; accounturi=${accountUrl}${isWildcard ? '; policy=wildcard' : ''}`;
}
