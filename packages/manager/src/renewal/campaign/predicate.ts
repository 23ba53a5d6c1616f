/** Says which certificates are meant: as a person writes it, as the bus has it, and as a replica looks for it. */
import type { CampaignPredicate, IssuedCertificate, KeyType, ManagedCertificate, Recipient } from '@certbus/events';
import { keyIdOf } from '@certbus/events/history';
import { type Selection, type Traits, traitsOfOrigin } from '@certbus/replica';
import { authorityNamed } from '../../configuration/certificate-authorities.ts';
import type { Configuration } from '../../configuration/configuration.ts';
import { ManagerError } from '../../errors.ts';
import { listsOf, type RootHistory } from '../../state/root-history.ts';

/** Which certificates are meant; each condition that is given has to hold. Without any all are. */
export interface Predicate {
  /** Certificates for this domain or a name below it. */
  readonly domain?: string | undefined;
  /** Certificates with a name that this fits: `*` stands for any characters, dots too. */
  readonly pattern?: string | undefined;
  /** Name of an authority of the configuration. */
  readonly authority?: string | undefined;
  readonly profile?: string | undefined;
  readonly keyType?: KeyType | undefined;
  /** SHA-256 of the certificate that issued them, base64url. */
  readonly issuer?: string | undefined;
  readonly issuedBefore?: Date | undefined;
  /** Name of a recipient that private keys are or were sealed to, or the age recipient itself. */
  readonly sealedTo?: string | undefined;
  /** Name of a manager that the bus has or had, or its signing key in base64url: it obtained them, or made their private key. */
  readonly obtainedBy?: string | undefined;
  /** They were obtained at this position of the bus or later. */
  readonly obtainedSince?: number | undefined;
}

/** The one value of a name that several were given to over time. Throws where there is none, or more than one. */
function onlyOne(
  code: 'CERTBUS_MANAGER_MANAGER_NOT_FOUND' | 'CERTBUS_MANAGER_RECIPIENT_NOT_FOUND',
  { what, wanted }: { readonly what: string; readonly wanted: string },
  named: readonly { readonly name: string; readonly value: string }[],
): string {
  const fitting = new Set(
    named.filter(({ name, value }) => name === wanted || value === wanted).map((each) => each.value),
  );
  const [value, ...others] = fitting;
  if (value !== undefined && others.length === 0) return value;
  const known = [...new Set(named.map(({ name }) => name))].join(', ') || 'none';
  const why =
    value === undefined
      ? `it had ${known}`
      : `the name was given to several, so give the key itself, which is one of ${[...fitting].join(', ')}`;
  throw new ManagerError(code, `The bus never had one ${what} ${JSON.stringify(wanted.slice(0, 80))}: ${why}.`);
}

/**
 * A predicate as the bus has it. Throws `CERTBUS_MANAGER_CONFIG_INVALID` for an authority that is not there,
 * `CERTBUS_MANAGER_RECIPIENT_NOT_FOUND` and `CERTBUS_MANAGER_MANAGER_NOT_FOUND`.
 */
export function resolvePredicate(
  { authority, issuedBefore, sealedTo, obtainedBy, ...rest }: Predicate,
  config: Configuration,
  history: RootHistory,
): CampaignPredicate {
  const recipients = history.recipients.flatMap((list) => list.recipients);
  const recipient = (wanted: string) =>
    onlyOne(
      'CERTBUS_MANAGER_RECIPIENT_NOT_FOUND',
      { what: 'recipient', wanted },
      recipients.map(({ name, recipient: value }) => ({ name, value })),
    );
  const manager = (wanted: string) =>
    onlyOne(
      'CERTBUS_MANAGER_MANAGER_NOT_FOUND',
      { what: 'manager', wanted },
      history.managers.map(({ name, signingKey: value }) => ({ name, value })),
    );
  const given = {
    ...rest,
    directory: authority === undefined ? undefined : authorityNamed(config, authority).directory,
    issuedBefore: issuedBefore?.toISOString(),
    sealedTo: sealedTo === undefined ? undefined : recipient(sealedTo),
    obtainedBy: obtainedBy === undefined ? undefined : manager(obtainedBy),
  };
  // Absent conditions are absent on the bus as well.
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** A name that a shell takes as one word, and no command as a flag. */
const IS_WORD = /^\w[\w.-]*$/;

/** What `sealedTo` calls a recipient that the bus had: its name, or the key itself where the name is not a plain word or was another's too. */
export function sealedToOf({ name, recipient }: Recipient, { recipients }: RootHistory): string {
  const isOther = (each: Recipient) => each.name === name && each.recipient !== recipient;
  const isShared = recipients.some((list) => list.recipients.some(isOther));
  return IS_WORD.test(name) && !isShared ? name : recipient;
}

/** Whether a recipient can open a private key, or could; also where the bus does not say whom it was sealed to. */
function couldOpen(
  recipient: string,
  sealed: Pick<Traits, 'recipientsPosition' | 'isResealed'>,
  history: RootHistory,
): boolean {
  const lists = listsOf(sealed, history);
  if (lists.length === 0) return true;
  return lists.some((list) => list.recipients.some((each) => each.recipient === recipient));
}

/** Whether a manager obtained a certificate or made its key; also where the bus does not say who did. */
function isOfKey(signingKey: string, { by, keyBy }: Pick<Traits, 'by' | 'keyBy'>): boolean {
  const keyId = keyIdOf(signingKey);
  return by === undefined || keyBy === undefined || by === keyId || keyBy === keyId;
}

/** Whether what a certificate shares with others is as a predicate wants it. */
function traitsFilter(
  predicate: CampaignPredicate,
  history: RootHistory,
): (found: Omit<Traits, 'isServed' | 'challengeType'>) => boolean {
  const { directory, profile, keyType, issuer, sealedTo, obtainedBy } = predicate;
  const fits = <T>(wanted: T | undefined, found: T | undefined) => wanted === undefined || wanted === found;
  return (found) =>
    fits(directory, found.directory) &&
    fits(profile, found.profile) &&
    fits(keyType, found.keyType ?? 'P-256') &&
    fits(issuer, found.issuer) &&
    (sealedTo === undefined || couldOpen(sealedTo, found, history)) &&
    (obtainedBy === undefined || isOfKey(obtainedBy, found));
}

/** What a replica looks for: certificates that are served and that a CA here renews. */
export function selectionOf(predicate: CampaignPredicate, history: RootHistory): Selection {
  const { domain, pattern, issuedBefore, obtainedSince } = predicate;
  const fits = traitsFilter(predicate, history);
  const traits = (found: Traits) => found.isServed && found.directory !== undefined && fits(found);
  const before = issuedBefore === undefined ? undefined : new Date(issuedBefore);
  return { traits, domain, pattern, issuedBefore: before, obtainedSince };
}

/** Whether a name is a domain, below it, or a wildcard of either. */
const isOfDomain = (domain: string, name: string): boolean => name === domain || name.endsWith(`.${domain}`);

/** A pattern in which `*` alone has a meaning of its own. */
function patternOf(pattern: string): RegExp {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[^A-Za-z0-9_]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's');
}

/** Whether a predicate fits one certificate of a timeline, which may have been replaced. */
export function issuedFilter(
  predicate: CampaignPredicate,
  history: RootHistory,
): (certificate: ManagedCertificate, issued: IssuedCertificate) => boolean {
  const { domain, pattern, issuedBefore, obtainedSince } = predicate;
  const fits = traitsFilter(predicate, history);
  const wanted = pattern === undefined ? undefined : patternOf(pattern);
  return ({ profile, keyType }, { names, directory, issuers, notBefore, origin }) =>
    fits({ directory, profile, keyType, issuer: issuers[0], ...traitsOfOrigin(origin) }) &&
    (domain === undefined || names.some((name) => isOfDomain(domain, name))) &&
    (wanted === undefined || names.some((name) => wanted.test(name))) &&
    (issuedBefore === undefined || Date.parse(notBefore) < Date.parse(issuedBefore)) &&
    (obtainedSince === undefined || (origin?.position ?? obtainedSince) >= obtainedSince);
}
