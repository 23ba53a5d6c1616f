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
import type { Failure, Issuance, IssuedCertificate, ManagedCertificate } from '../managed-certificate.ts';

const MAX_PREDECESSORS = 3;
/** The last one is finalized with, and one before it can have been where a manager ended in between. Recipients change far less often. */
const MAX_CSRS = 16;
/** The current one and its predecessors, which were served before their manager was expelled. */
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

function start(certificate: ManagedCertificate, event: IssuanceStarted): ManagedCertificate {
  const { issuanceId, reason, names, challengeType, profile, keyType, directory, fallbackFor, replaces } = event;
  const { holder, until, csr, sealedKey, recipientsPosition } = event;
  const csrs = [{ csr, sealedKey, recipientsPosition }];
  const subject = { names, challengeType, profile, keyType, directory, fallbackFor };
  const issuance = { issuanceId, reason, ...subject, replaces, holder, until, csrs, orderUrl: undefined };
  return fallbackFor === undefined
    ? { ...certificate, challengeType, profile, keyType, directory, issuance }
    : { ...certificate, challengeType, keyType, directory: fallbackFor, issuance };
}

type Content = CertificateContent & {
  /** Of the CA that issued it. */
  readonly directory?: string | undefined;
};

function issuedOf(content: Content): IssuedCertificate {
  const { leaf, issuers, sealedKey, serialNumber, notBefore, notAfter, names, directory } = content;
  const leafHash = sha256(Buffer.from(leaf, 'base64'));
  return { leaf, leafHash, issuers, sealedKey, serialNumber, notBefore, notAfter, names, directory };
}

/** Those that stay, of certificates in order of age: trusted ones are never pushed out by others. */
function keep(predecessors: readonly IssuedCertificate[]): readonly IssuedCertificate[] {
  const trusted = predecessors.filter(({ distrusted }) => !distrusted).slice(0, MAX_PREDECESSORS);
  return [...trusted, ...predecessors.filter(({ distrusted }) => distrusted).slice(0, MAX_DISTRUSTED)];
}

const allOf = ({ current, predecessors }: ManagedCertificate): readonly IssuedCertificate[] =>
  current ? [current, ...predecessors] : predecessors;

function replace(certificate: ManagedCertificate, content: Content, at: Date): ManagedCertificate {
  const { names } = content;
  const current = issuedOf(content);
  const isOlder = ({ notAfter: end, leafHash }: IssuedCertificate) =>
    Date.parse(end) > at.getTime() && leafHash !== current.leafHash;
  const predecessors = keep(allOf(certificate).filter(isOlder));
  return {
    ...certificate,
    names,
    current,
    predecessors,
    failure: undefined,
    renewalInfo: undefined,
    lost: undefined,
    revoked: false,
  };
}

function obtain(certificate: ManagedCertificate, event: CertificateObtained, at: Date): ManagedCertificate {
  const { challengeType, profile, keyType, directory, fallbackFor } = event;
  const { current, ...rest } = replace(certificate, event, at);
  const dated = current && { ...current, obtainedAt: at.toISOString() };
  const replaced = { ...rest, current: dated, challengeType, keyType, issuance: undefined };
  // A second CA has profiles of its own; the certificate keeps what it asks its own CA for.
  return fallbackFor === undefined ? { ...replaced, profile, directory } : { ...replaced, directory: fallbackFor };
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
  const change = (issued: IssuedCertificate) => (issued.leafHash === leafHash ? { ...issued, sealedKey } : issued);
  const { current, predecessors } = certificate;
  return { ...certificate, current: current && change(current), predecessors: predecessors.map(change) };
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
): ManagedCertificate {
  const issued: IssuedCertificate = { ...issuedOf(contentOf(event)), distrusted: true };
  const { current, predecessors } = certificate;
  if (current && !current.distrusted) return { ...certificate, predecessors: keep([issued, ...predecessors]) };
  return { ...certificate, current: issued, predecessors: keep(allOf(certificate)) };
}

function takeDistrusted(
  certificate: ManagedCertificate | undefined,
  event: CertificateEvent,
): ManagedCertificate | undefined {
  if (event.type !== 'CertificateObtained' && event.type !== 'CertificateImported') return certificate;
  return standIn(certificate ?? beginDistrusted(event), event);
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
 * An event of a certificate that this timeline does not know, or that was removed, changes nothing. `distrusted`: an expelled manager
 * wrote it, as {@link ReadEvent} has it.
 */
export function evolve(
  certificate: ManagedCertificate | undefined,
  event: CertificateEvent,
  { at, distrusted }: { readonly at: Date; readonly distrusted?: true | undefined },
): ManagedCertificate | undefined {
  if (certificate?.removed) return certificate;
  if (distrusted) return takeDistrusted(certificate, event);
  switch (event.type) {
    case 'IssuanceStarted':
      return start(certificate ?? begin(event), event);
    case 'CertificateObtained':
      return obtain(certificate ?? begin(event), event, at);
    case 'CertificateImported':
      return renewedAs(replace(certificate ?? begin(event), contentOf(event), at), event);
    default:
      return certificate && change(certificate, event, at);
  }
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

function change(certificate: ManagedCertificate, event: LaterEvent, at: Date): ManagedCertificate {
  const isCurrent = 'leafHash' in event && certificate.current?.leafHash === event.leafHash;
  switch (event.type) {
    case 'OrderCreated':
      return changeIssuance(certificate, event.issuanceId, () => ({ orderUrl: event.orderUrl }));
    case 'IssuanceTakenOver':
      return changeIssuance(certificate, event.issuanceId, () => ({ holder: event.holder, until: event.until }));
    case 'IssuanceReleased':
      return changeIssuance(certificate, event.issuanceId, () => ({ holder: undefined }));
    case 'CsrReplaced': {
      const { csr, sealedKey, recipientsPosition } = event;
      const replacement = { csr, sealedKey, recipientsPosition };
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
      const since = certificate.lost?.since ?? seenAt;
      return { ...certificate, lost: { names, loss, detail, since, seenAt, notBefore } };
    }
    case 'NamesRegained':
      return { ...certificate, lost: undefined };
    case 'CertificateRevoked':
      if (isCurrent) return { ...certificate, revoked: true };
      // A predecessor is served where the key of its successor does not open, so it must be valid.
      return {
        ...certificate,
        predecessors: certificate.predecessors.filter(({ leafHash }) => leafHash !== event.leafHash),
      };
    case 'CertificateRemoved':
      return { ...certificate, current: undefined, predecessors: [], issuance: undefined, removed: true };
  }
}
