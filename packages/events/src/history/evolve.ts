/** What an event makes of a managed certificate. */
import type {
  CertificateContent,
  CertificateEvent,
  CertificateImported,
  CertificateObtained,
  FailureClass,
  IssuanceStarted,
} from '../event-types/certificate-events.ts';
import { sha256 } from '../hash.ts';
import type {
  CertificateOrigin,
  Failure,
  Issuance,
  IssuedCertificate,
  LostNames,
  ManagedCertificate,
} from '../managed-certificate.ts';

const MAX_PREDECESSORS = 3;
/** So many trusted leaves at most; more than Let's Encrypt issues for one name set in 90 days, which is 5 in 7 days. */
export const MAX_RETIRED = 64;
/** The last one is finalized with, and one before it can have been where a manager ended in between. Recipients change far less often. */
const MAX_CSRS = 16;
/** The commit that an event is in. */
export interface EventCommit {
  readonly at: Date;
  /** With {@link EventCommit.keyId} where it is known; without them no certificate has an origin. */
  readonly position?: number | undefined;
  /** Of its signer. */
  readonly keyId?: string | undefined;
}

/** The current one and its predecessors, which were served before their manager was expelled; of retired ones as many. */
const MAX_DISTRUSTED = MAX_PREDECESSORS + 1;

function begin({ certificateId, names }: { certificateId: string; names: readonly string[] }): ManagedCertificate {
  return {
    certificateId,
    names,
    challengeType: undefined,
    profile: undefined,
    keyType: undefined,
    directory: undefined,
    current: undefined,
    predecessors: [],
    issuance: undefined,
    failure: undefined,
    renewalInfo: undefined,
    revoked: false,
    removed: false,
  };
}

const madeBy = ({ keyId }: EventCommit): { readonly by?: string } => (keyId === undefined ? {} : { by: keyId });

function start(certificate: ManagedCertificate, event: IssuanceStarted, commit: EventCommit): ManagedCertificate {
  const { issuanceId, reason, names, challengeType, profile, keyType, directory, fallbackFor, replaces } = event;
  const { holder, until, csr, sealedKey, recipientsPosition, campaignId } = event;
  const csrs = [{ csr, sealedKey, recipientsPosition, ...madeBy(commit) }];
  const subject = { names, challengeType, profile, keyType, directory, fallbackFor };
  const startedAt = commit.at.toISOString();
  const made = { issuanceId, reason, ...subject, replaces, startedAt, holder, until, csrs, orderUrl: undefined };
  const issuance: Issuance = { ...made, ...(campaignId === undefined ? {} : { campaignId }) };
  return fallbackFor === undefined
    ? { ...certificate, challengeType, profile, keyType, directory, issuance }
    : { ...certificate, challengeType, keyType, directory: fallbackFor, issuance };
}

type Content = CertificateContent & {
  /** Of the CA that issued it. */
  readonly directory?: string | undefined;
};

/** Where a certificate comes from, by its commit and by the issuance that is open: its sealed key is that of one of the CSRs. */
function originOf(
  { sealedKey }: Content,
  issuance: Issuance | undefined,
  { position, keyId }: EventCommit,
): { readonly origin?: CertificateOrigin } {
  if (position === undefined || keyId === undefined) return {};
  const csr = issuance?.csrs.find((each) => each.sealedKey === sealedKey);
  const keyBy = csr?.by === undefined || csr.by === keyId ? {} : { keyBy: csr.by };
  const sealed = csr ? { recipientsPosition: csr.recipientsPosition } : {};
  return { origin: { position, by: keyId, ...keyBy, ...sealed } };
}

function issuedOf(content: Content, commit: EventCommit, issuance?: Issuance): IssuedCertificate {
  const { leaf, issuers, sealedKey, serialNumber, notBefore, notAfter, names, directory } = content;
  const leafHash = sha256(Buffer.from(leaf, 'base64'));
  const issued = { leaf, leafHash, issuers, sealedKey, serialNumber, notBefore, notAfter, names, directory };
  return { ...issued, ...originOf(content, issuance, commit) };
}

/** Those that stay, of certificates in order of age, `most` of them trusted: others never push these out. */
function keep(all: readonly IssuedCertificate[], most: number): readonly IssuedCertificate[] {
  const trusted = all.filter(({ distrusted }) => !distrusted).slice(0, most);
  return [...trusted, ...all.filter(({ distrusted }) => distrusted).slice(0, MAX_DISTRUSTED)];
}

const allOf = ({ current, predecessors }: ManagedCertificate): readonly IssuedCertificate[] =>
  current ? [current, ...predecessors] : predecessors;

/** Adds certificates that stand in for none any more; those that have ended by `at` are left out, where that is an instant to rely on. */
function retire(
  { retired = [] }: ManagedCertificate,
  more: readonly IssuedCertificate[],
  at: Date | undefined,
): Pick<ManagedCertificate, 'retired'> {
  if (more.length === 0 && retired.length === 0) return {};
  const isValid = ({ notAfter }: IssuedCertificate) => at === undefined || Date.parse(notAfter) > at.getTime();
  const kept = keep([...more, ...retired].filter(isValid), MAX_RETIRED);
  return { retired: kept.length > 0 ? kept : undefined };
}

const without = (all: readonly IssuedCertificate[], kept: readonly IssuedCertificate[]) =>
  all.filter((issued) => !kept.includes(issued));

function replace(certificate: ManagedCertificate, content: Content, commit: EventCommit): ManagedCertificate {
  const { names } = content;
  const current = issuedOf(content, commit, certificate.issuance);
  const isOlder = ({ notAfter: end, leafHash }: IssuedCertificate) =>
    Date.parse(end) > commit.at.getTime() && leafHash !== current.leafHash;
  const older = allOf(certificate).filter(isOlder);
  const predecessors = keep(older, MAX_PREDECESSORS);
  return {
    ...certificate,
    ...retire(certificate, without(older, predecessors), commit.at),
    names,
    current,
    predecessors,
    failure: undefined,
    renewalInfo: undefined,
    lost: undefined,
    revoked: false,
  };
}

function obtain(certificate: ManagedCertificate, event: CertificateObtained, commit: EventCommit): ManagedCertificate {
  const { challengeType, profile, keyType, directory, fallbackFor } = event;
  const { current, ...rest } = replace(certificate, event, commit);
  const dated = current && { ...current, obtainedAt: commit.at.toISOString() };
  const replaced = { ...rest, current: dated, challengeType, keyType, issuance: undefined };
  // A second CA has profiles of its own; the certificate keeps what it asks its own CA for.
  return fallbackFor === undefined ? { ...replaced, profile, directory } : { ...replaced, directory: fallbackFor };
}

function take(certificate: ManagedCertificate, event: CertificateImported, commit: EventCommit): ManagedCertificate {
  const { current, ...rest } = replace(certificate, contentOf(event), commit);
  const dated = current && { ...current, importedAt: commit.at.toISOString() };
  return renewedAs({ ...rest, current: dated }, event);
}

/** What it is served with; an imported one names its CA in another field, since that need not be the CA that renews it. */
const contentOf = (event: CertificateObtained | CertificateImported): Content =>
  event.type === 'CertificateImported' ? { ...event, directory: event.issuedBy } : event;

/** How a certificate is renewed that was imported. */
function renewedAs(
  certificate: ManagedCertificate,
  { directory, challengeType, keyType }: CertificateImported,
): ManagedCertificate {
  return directory === undefined ? certificate : { ...certificate, directory, challengeType, keyType };
}

function changeIssuance(
  certificate: ManagedCertificate,
  issuanceId: string,
  change: (issuance: Issuance) => Partial<Issuance>,
): ManagedCertificate {
  const { issuance } = certificate;
  // An event of an issuance that is already closed changes nothing.
  if (issuance?.issuanceId !== issuanceId) return certificate;
  return { ...certificate, issuance: { ...issuance, ...change(issuance) } };
}

function reseal(certificate: ManagedCertificate, leafHash: string, sealedKey: string): ManagedCertificate {
  const again = ({ origin }: IssuedCertificate) => (origin ? { origin: { ...origin, isResealed: true as const } } : {});
  const change = (issued: IssuedCertificate) => {
    if (issued.leafHash !== leafHash) return issued;
    // The first one, however often it is sealed again: it came with the certificate, and nothing that follows can push it out.
    const formerSealedKey = issued.formerSealedKey ?? issued.sealedKey;
    return { ...issued, sealedKey, formerSealedKey, ...again(issued) };
  };
  const { current, predecessors, retired } = certificate;
  return {
    ...certificate,
    current: current && change(current),
    predecessors: predecessors.map(change),
    ...(retired ? { retired: retired.map(change) } : {}),
  };
}

function beginDistrusted(event: CertificateObtained | CertificateImported): ManagedCertificate {
  if (event.type === 'CertificateImported') return renewedAs(begin(event), event);
  const { challengeType, profile, keyType, directory, fallbackFor } = event;
  return { ...begin(event), challengeType, profile, keyType, directory: fallbackFor ?? directory };
}

/**
 * Takes a certificate that an expelled manager obtained: behind one that is trusted, in its place where there is none. All else about it,
 * the instant of its commit too, is only what that manager wrote.
 */
function standIn(
  certificate: ManagedCertificate,
  event: CertificateObtained | CertificateImported,
  commit: EventCommit,
): ManagedCertificate {
  const issued: IssuedCertificate = { ...issuedOf(contentOf(event), commit), distrusted: true };
  const { current, predecessors } = certificate;
  const isBehind = current !== undefined && !current.distrusted;
  const all = isBehind ? [issued, ...predecessors] : allOf(certificate);
  const kept = keep(all, MAX_PREDECESSORS);
  const placed = { ...certificate, ...retire(certificate, without(all, kept), undefined), predecessors: kept };
  return isBehind ? placed : { ...placed, current: issued };
}

function takeDistrusted(
  certificate: ManagedCertificate | undefined,
  event: CertificateEvent,
  commit: EventCommit,
): ManagedCertificate | undefined {
  if (event.type !== 'CertificateObtained' && event.type !== 'CertificateImported') return certificate;
  return standIn(certificate ?? beginDistrusted(event), event, commit);
}

/** The names that a certificate is served for. */
export function servedNames({ current, predecessors }: ManagedCertificate): readonly string[] {
  const distrusted = predecessors.filter((issued) => issued.distrusted);
  if (distrusted.length === 0) return current?.names ?? [];
  return [...new Set([...(current?.names ?? []), ...distrusted.flatMap(({ names }) => names)])];
}

/**
 * What an event makes of a managed certificate. Pure; `certificate` is `undefined` before its first event.
 *
 * An event of a certificate that this timeline does not know changes nothing, and of one that was removed only what is known of its revocation. `distrusted`: an expelled manager
 * wrote it, as {@link ReadEvent} has it.
 */
export function evolve(
  certificate: ManagedCertificate | undefined,
  event: CertificateEvent,
  { distrusted, ...commit }: EventCommit & { readonly distrusted?: true | undefined },
): ManagedCertificate | undefined {
  if (certificate?.removed) return distrusted ? certificate : changeRemoved(certificate, event);
  if (distrusted) return takeDistrusted(certificate, event, commit);
  switch (event.type) {
    case 'IssuanceStarted':
      return start(certificate ?? begin(event), event, commit);
    case 'CertificateObtained':
      return obtain(certificate ?? begin(event), event, commit);
    case 'CertificateImported':
      return take(certificate ?? begin(event), event, commit);
    default:
      return certificate && change(certificate, event, commit);
  }
}

const withoutRevoked = ({ retired }: ManagedCertificate, leafHash: string): Pick<ManagedCertificate, 'retired'> => {
  if (!retired?.some((issued) => issued.leafHash === leafHash)) return {};
  const left = retired.filter((issued) => issued.leafHash !== leafHash);
  return { retired: left.length > 0 ? left : undefined };
};

function changeRemoved(certificate: ManagedCertificate, event: CertificateEvent): ManagedCertificate {
  if (event.type !== 'CertificateRevoked') return certificate;
  const changed = withoutRevoked(certificate, event.leafHash);
  return 'retired' in changed ? { ...certificate, ...changed } : certificate;
}

type LaterEvent = Exclude<
  CertificateEvent,
  { type: 'IssuanceStarted' | 'CertificateObtained' | 'CertificateImported' }
>;

/** Classes of failures of a CA or an account as a whole. */
const SHARED: ReadonlySet<FailureClass> = new Set(['authority', 'account', 'rate-limited']);

/** The reason that a failure of the CA as a whole must not hide; `undefined` where there is none, or the new one takes its place. */
function ownReason(last: Failure | undefined, next: FailureClass): Failure['own'] {
  if (!last || !SHARED.has(next)) return undefined;
  const { problem, class: problemClass, detail } = last;
  return last.own ?? (SHARED.has(problemClass) ? undefined : { problem, class: problemClass, detail });
}

/**
 * Since when names are lost that a look at `at` has found so: since an earlier look where one of them was lost then, too. Two looks that found
 * different names prove nothing of any, nor does one by a clock that was ahead. Instants as `toISOString` has them.
 */
export function lostSince(before: LostNames | undefined, names: readonly string[], at: string): string {
  if (!before || before.since > at) return at;
  return before.names.some((name) => names.includes(name)) ? before.since : at;
}

function change(certificate: ManagedCertificate, event: LaterEvent, commit: EventCommit): ManagedCertificate {
  const { at } = commit;
  const isCurrent = 'leafHash' in event && certificate.current?.leafHash === event.leafHash;
  switch (event.type) {
    case 'OrderCreated':
      return changeIssuance(certificate, event.issuanceId, () => ({ orderUrl: event.orderUrl }));
    case 'IssuanceTakenOver':
      return changeIssuance(certificate, event.issuanceId, ({ holder }) => ({
        holder: event.holder,
        until: event.until,
        ...(holder === event.holder ? {} : { heldSince: at.toISOString() }),
      }));
    case 'IssuanceReleased':
      return changeIssuance(certificate, event.issuanceId, () => ({ holder: undefined }));
    case 'CsrReplaced': {
      const { csr, sealedKey, recipientsPosition } = event;
      const replacement = { csr, sealedKey, recipientsPosition, ...madeBy(commit) };
      return changeIssuance(certificate, event.issuanceId, ({ csrs }) => ({
        csrs: [...csrs, replacement].slice(-MAX_CSRS),
      }));
    }
    case 'IssuanceFailed': {
      const { problem, class: problemClass, detail, attempt, notBefore, retryAt } = event;
      const { issuance } = certificate;
      const directory = issuance?.issuanceId === event.issuanceId ? issuance.directory : event.directory;
      const isOpenStill = issuance !== undefined && issuance.issuanceId !== event.issuanceId;
      if (directory === undefined || isOpenStill) return certificate;
      const since = certificate.failure?.since ?? at.toISOString();
      const own = ownReason(certificate.failure, problemClass);
      const failure = {
        ...(own ? { own } : {}),
        ...(retryAt ? { retryAt } : {}),
        problem,
        class: problemClass,
        detail,
        attempt,
        directory,
        notBefore,
        since,
        failedAt: at.toISOString(),
      };
      return { ...certificate, issuance: undefined, failure };
    }
    case 'PrivateKeyResealed':
      return reseal(certificate, event.leafHash, event.sealedKey);
    case 'RenewalInfoUpdated': {
      const { windowStart, windowEnd, renewAt, explanationUrl } = event;
      return isCurrent
        ? { ...certificate, renewalInfo: { windowStart, windowEnd, renewAt, explanationUrl } }
        : certificate;
    }
    case 'NamesLost': {
      const { names, loss, detail, notBefore } = event;
      const seenAt = at.toISOString();
      const since = lostSince(certificate.lost, names, seenAt);
      return { ...certificate, lost: { names, loss, detail, since, seenAt, notBefore } };
    }
    case 'NamesRegained':
      return { ...certificate, lost: undefined };
    case 'CertificateRevoked':
      if (isCurrent) return { ...certificate, revoked: true };
      // A predecessor is served where the key of its successor does not open, so it must be valid.
      return {
        ...certificate,
        ...withoutRevoked(certificate, event.leafHash),
        predecessors: certificate.predecessors.filter(({ leafHash }) => leafHash !== event.leafHash),
      };
    case 'CertificateRemoved': {
      const served = certificate.revoked ? certificate.predecessors : allOf(certificate);
      const ended = { current: undefined, predecessors: [], issuance: undefined, removed: true };
      return { ...certificate, ...retire(certificate, served, at), ...ended, removedAt: at.toISOString() };
    }
  }
}
