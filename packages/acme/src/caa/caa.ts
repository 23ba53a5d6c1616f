/** CAA records (RFC 8659, RFC 8657): what they allow, and which ones let a CA issue. */

/** A CAA record (RFC 8659 §4.1). */
export interface CaaRecord {
  readonly isCritical: boolean;
  /** Lower case. */
  readonly tag: string;
  readonly value: string;
}

/** Who asks, and how it is going to prove the name. */
export interface CaaQuestion {
  /** Names of the CA in CAA records: `caaIdentities` of its directory. */
  readonly issuers: readonly string[];
  /** URL of the account; absent, records that name one do not fit. */
  readonly accountUrl?: string | undefined;
  /** Type of the challenge, as RFC 8657 §4 names methods; absent, records that name methods do not fit. */
  readonly challengeType?: string | undefined;
  readonly isWildcard: boolean;
}

/** The value of an `issue` or `issuewild` property (RFC 8659 §4.2). */
export interface IssueValue {
  /** Lower case; empty where no CA is named. */
  readonly issuer: string;
  /** By name, lower case, in order. */
  readonly parameters: readonly { readonly name: string; readonly value: string }[];
}

const LABEL = /^[a-z0-9]+(-+[a-z0-9]+)*$/i;

function parseParameter(text: string): IssueValue['parameters'][number] | undefined {
  const at = text.indexOf('=');
  const [name, value] = [text.slice(0, Math.max(at, 0)).trim(), text.slice(at + 1).trim()];
  return LABEL.test(name) && /^[\x21-\x3a\x3c-\x7e]*$/.test(value) ? { name: name.toLowerCase(), value } : undefined;
}

/** Reads a value; `undefined` where it breaks the grammar, and so lets no CA issue. */
export function parseIssueValue(text: string): IssueValue | undefined {
  const [first = '', ...rest] = text.split(';').map((text) => text.trim());
  const issuer = first.toLowerCase();
  if (issuer !== '' && !issuer.split('.').every((label) => LABEL.test(label))) return undefined;
  // A semicolon at the end is allowed, an empty place between two is not.
  const texts = rest.at(-1) === '' ? rest.slice(0, -1) : rest;
  const parameters = texts.map(parseParameter);
  const isSound = (each: (typeof parameters)[number]) => each !== undefined;
  return parameters.every(isSound) ? { issuer, parameters: parameters.filter(isSound) } : undefined;
}

/** Values of one parameter. One that is there twice fits nothing (RFC 8657 §3, §4). */
function fits(value: IssueValue, name: string, isFit: (text: string) => boolean): boolean {
  const [first, ...more] = value.parameters.filter((each) => each.name === name);
  return first === undefined || (more.length === 0 && isFit(first.value));
}

function allows(text: string, { issuers, accountUrl, challengeType }: CaaQuestion): boolean {
  const value = parseIssueValue(text);
  if (!value || !issuers.some((issuer) => issuer.toLowerCase() === value.issuer)) return false;
  return (
    fits(value, 'accounturi', (uri) => uri === accountUrl) &&
    fits(value, 'validationmethods', (methods) => methods.split(',').some((method) => method === challengeType))
  );
}

// Properties of RFC 8659, RFC 9495 and of the CA/Browser Forum. A critical one that a CA does not know bars it.
const KNOWN = new Set(['issue', 'issuewild', 'iodef', 'issuemail', 'issuevmc', 'contactemail', 'contactphone']);

/** Why records forbid an issuance; `undefined` where they allow it. They are those nearest to the name (RFC 8659 §3, §4). */
export function objectionOf(records: readonly CaaRecord[], question: CaaQuestion): string | undefined {
  const critical = records.find(({ isCritical, tag }) => isCritical && !KNOWN.has(tag));
  if (critical) return `has a critical property "${critical.tag}", which no CA here knows`;
  const issue = records.filter(({ tag }) => tag === 'issue');
  const wild = question.isWildcard ? records.filter(({ tag }) => tag === 'issuewild') : [];
  const relevant = wild.length > 0 ? wild : issue;
  if (relevant.length === 0 || relevant.some(({ value }) => allows(value, question))) return undefined;
  const list = relevant.map(({ tag, value }) => `${tag} "${value}"`).join(', ');
  const who = question.issuers.join(' or ') || 'this CA';
  return `allows only ${list}, and not ${who} with this account and challenge`;
}

/** What a set of names needs in CAA. */
export interface CaaPolicy {
  /** Name of the CA: one of `caaIdentities` of its directory. */
  readonly issuer: string;
  /** Binds to one account (RFC 8657 §3). Default: any. */
  readonly accountUrl?: string;
  /** Binds to challenge types (RFC 8657 §4). Default: any. */
  readonly challengeTypes?: readonly string[];
}

/**
 * CAA records that let a CA issue for names, as lines of a zone file. A name that is only wanted as a wildcard gets an `issuewild`
 * record. They bind names below as well, so add those of other CAs that are in use there. Throws `TypeError` for text that no CAA
 * record can carry.
 */
export function caaRecordsFor(
  names: readonly string[],
  { issuer, accountUrl, challengeTypes = [] }: CaaPolicy,
): string[] {
  const value = [
    issuer,
    ...(accountUrl === undefined ? [] : [`accounturi=${accountUrl}`]),
    ...(challengeTypes.length === 0 ? [] : [`validationmethods=${challengeTypes.join(',')}`]),
  ].join('; ');
  if (!parseIssueValue(value) || issuer === '' || value.includes('"') || value.includes('\\'))
    throw new TypeError(`No CAA record can carry ${value}`);
  const byName = Map.groupBy(names, (name) => name.toLowerCase().replace(/^\*\./, ''));
  return [...byName].map(([name, group]) => {
    const tag = group.every((each) => each.startsWith('*.')) ? 'issuewild' : 'issue';
    return `${name}. IN CAA 0 ${tag} "${value}"`;
  });
}
