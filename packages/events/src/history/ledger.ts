/** What orders, certificates and failed validations count at a CA, as the events of a bus have it. */
import type { CertificateEvent } from '../event-types/certificate-events.ts';
import { sha256 } from '../hash.ts';
import type { Issuance, ManagedCertificate } from '../managed-certificate.ts';
import { addressGroups, isAddress, nameSetKey } from '../names.ts';

/**
 * What a CA counts. `orders`: new orders of the account, by the {@link OrderKind}. `domains`: certificates of a registered domain, renewals apart, since not
 * every CA counts them; by every domain that it could be, since only a list of public suffixes knows which. `name-sets`: certificates of an
 * exact set of names. `failures`: failed validations of a name.
 */
export type LedgerLimit = 'orders' | 'domains' | 'name-sets' | 'failures';

/**
 * What an order is to a CA's limits. `new`: for a set of names that this CA did not issue for last. `repeated`: a renewal of the same names.
 * `asked`: one inside the window that the CA named (RFC 9773 section 5).
 */
export type OrderKind = 'new' | 'repeated' | 'asked';

/** Every kind of order. */
export const ORDER_KINDS: readonly OrderKind[] = ['new', 'repeated', 'asked'];

/** What an event adds to one count. */
export interface LedgerEntry {
  readonly key: string;
  /** When it counts from, milliseconds since 1970; `undefined` for what an open issuance holds until it ends. */
  readonly at: number | undefined;
  /** Negative where an issuance gives up what it held. */
  readonly count: number;
}

/** The length of a key: 132 bits, which nobody finds twice. */
const KEY_LENGTH = 22;

/** The key of one count. `subject`: an {@link OrderKind}, a domain or {@link renewedDomain}, a `nameSetKey`, or a name as {@link countedName} has it. */
export function ledgerKey(limit: LedgerLimit, directory: string, subject: string): string {
  return sha256(Buffer.from(`${limit} ${directory} ${subject}`)).slice(0, KEY_LENGTH);
}

/** The subject of `domains` for certificates that renew those of the same names. */
export const renewedDomain = (domain: string): string => `${domain} repeated`;

/** A name as CAs count it: without its wildcard; an IPv6 address by its /64. */
export function countedName(name: string): string {
  if (name.startsWith('*.')) return name.slice(2);
  return name.includes(':') ? addressGroups(name).slice(0, 4).join(':') : name;
}

/** The longest public suffix has five labels, and one more is registered under it. */
const MAX_DOMAIN_LABELS = 7;

/** What a name can be registered as: every domain above it of two labels or more, and the name itself. */
function domainsOf(name: string): readonly string[] {
  const counted = countedName(name);
  if (isAddress(name)) return [counted];
  const labels = counted.split('.');
  const from = Math.max(0, labels.length - MAX_DOMAIN_LABELS);
  const domains = labels.slice(from, -1).map((_, index) => labels.slice(from + index).join('.'));
  return domains.length > 0 ? domains : [counted];
}

/** An issuance, open or about to be. */
type Subject = Pick<Issuance, 'names' | 'directory'> & { readonly replaces?: string | undefined };

/** What an issuance is. Its `replaces` names a certificate that the same CA issued. */
const kindOf = ({ replaces }: Pick<Subject, 'replaces'>): 'new' | 'repeated' =>
  replaces === undefined ? 'new' : 'repeated';

function kindAt(event: Pick<Subject, 'replaces'>, before: ManagedCertificate | undefined, at: number): OrderKind {
  const kind = kindOf(event);
  const { renewalInfo } = before ?? {};
  const isInside = renewalInfo && at >= Date.parse(renewalInfo.windowStart) && at < Date.parse(renewalInfo.windowEnd);
  return kind === 'repeated' && isInside ? 'asked' : kind;
}

/** A certificate counts once for a domain, however many names of it it has. */
function domainEntries(
  { names, directory }: Pick<Subject, 'names' | 'directory'>,
  { at, count, isNew }: Pick<LedgerEntry, 'at' | 'count'> & { readonly isNew: boolean },
): LedgerEntry[] {
  const domains = new Set(names.flatMap(domainsOf));
  const subjects = isNew ? [...domains] : [...domains].map(renewedDomain);
  return subjects.map((subject) => ({ key: ledgerKey('domains', directory, subject), at, count }));
}

/** What the open issuance of a certificate holds: a certificate of each of its domains, which it is about to get. */
function held(issuance: Subject | undefined, count: 1 | -1): LedgerEntry[] {
  return issuance ? domainEntries(issuance, { at: undefined, count, isNew: kindOf(issuance) === 'new' }) : [];
}

const orderEntry = (directory: string, kind: OrderKind, at: number): LedgerEntry => ({
  key: ledgerKey('orders', directory, kind),
  at,
  count: 1,
});

/** The problem of a certificate that came and was not taken. The CA has counted it all the same. */
const REFUSED = 'CERTBUS_ACME_CERTIFICATE_REFUSED';

/** What a certificate counts that the CA has issued. */
function issuedEntries(
  { names, directory }: Pick<Subject, 'names' | 'directory'>,
  { at, isNew }: { readonly at: number; readonly isNew: boolean },
): LedgerEntry[] {
  const set = { key: ledgerKey('name-sets', directory, nameSetKey(names)), at, count: 1 };
  return [set, ...domainEntries({ names, directory }, { at, count: 1, isNew })];
}

/** An order that the CA can have taken, although nobody recorded it: its maker was gone before the claim ended. */
function isOrderedAgain({ holder, orderUrl }: Issuance, next: string): boolean {
  return orderUrl === undefined && holder !== undefined && holder !== next;
}

/**
 * What an event counts at its CA; `before` is its certificate as it was. An order counts with its claim, and each further one of the same issuance
 * for itself; a certificate when it is recorded, or that it was refused, and for its domains from the claim on; a failed validation with its failure. Pure.
 */
export function ledgerEntries(
  event: CertificateEvent,
  { before, at: instant }: { readonly before: ManagedCertificate | undefined; readonly at: Date },
): readonly LedgerEntry[] {
  const at = instant.getTime();
  if (before?.removed) return [];
  const open = before?.issuance;
  const own = open && 'issuanceId' in event && open.issuanceId === event.issuanceId ? open : undefined;
  switch (event.type) {
    case 'IssuanceStarted': {
      const order = orderEntry(event.directory, kindAt(event, before, at), at);
      return [...held(open, -1), order, ...held(event, 1)];
    }
    case 'OrderCreated': {
      const isFurther = own?.orderUrl !== undefined && own.orderUrl !== event.orderUrl;
      return isFurther ? [orderEntry(own.directory, kindAt(own, before, at), at)] : [];
    }
    case 'IssuanceTakenOver':
      return own && isOrderedAgain(own, event.holder) ? [orderEntry(own.directory, kindAt(own, before, at), at)] : [];
    case 'CertificateObtained': {
      const isNew = own ? kindOf(own) === 'new' : event.reason === 'new';
      return [...held(open, -1), ...issuedEntries(event, { at, isNew })];
    }
    case 'IssuanceFailed': {
      if (!own) return [];
      const names = (event.invalidNames ?? []).map(countedName);
      const failures = names.map((name) => ({ key: ledgerKey('failures', own.directory, name), at, count: 1 }));
      const refused = event.problem === REFUSED ? issuedEntries(own, { at, isNew: kindOf(own) === 'new' }) : [];
      return [...held(own, -1), ...failures, ...refused];
    }
    case 'CertificateRemoved':
      return held(open, -1);
    default:
      return [];
  }
}
