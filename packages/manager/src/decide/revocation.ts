/** Decides which certificates can be revoked, and what is recorded of a revocation. */
import { type IssuedCertificate, type ManagedCertificate, nameSetKey } from '@certbus/events';
import type { Decision } from '@certbus/store';
import type { ManagerState } from '../state/state.ts';

/** What was revoked, and why (RFC 5280 section 5.3.1). */
export interface Revoked {
  readonly certificateId: string;
  readonly leafHash: string;
  readonly reason: number;
  /** Whether only the history of the bus has the leaf, since the state has dropped it; default false. */
  readonly isDropped?: boolean;
}

/** The leaves of a certificate that its state has, newest first. */
export function leavesOf({
  current,
  predecessors,
  retired = [],
}: Pick<ManagedCertificate, 'current' | 'predecessors' | 'retired'>): readonly IssuedCertificate[] {
  return [...(current ? [current] : []), ...predecessors, ...retired];
}

/** Records that a CA revoked a leaf, where the bus still counts on it, or only its history has it. */
export function recordRevocation(
  state: ManagerState,
  { certificateId, leafHash, reason, isDropped = false }: Revoked,
): Decision<void> {
  const certificate = state.certificate(certificateId);
  const isCurrent = certificate?.current?.leafHash === leafHash && !certificate.revoked;
  const older = certificate ? [...certificate.predecessors, ...(certificate.retired ?? [])] : [];
  const isOlder = older.some((issued) => issued.leafHash === leafHash);
  const event = { type: 'CertificateRevoked' as const, certificateId, leafHash, reason };
  return { events: isCurrent || isOlder || isDropped ? [event] : [], result: undefined };
}

/**
 * The certificates that serve a leaf, the one that it was found in first: one that was imported a second time is in two, and its CA revokes it for
 * both. Each has the same names.
 */
export function servedAs(
  state: Pick<ManagerState, 'withNames'>,
  { certificateId, names }: Pick<ManagedCertificate, 'certificateId' | 'names'>,
  leafHash: string,
): readonly ManagedCertificate[] {
  const isFirst = (each: ManagedCertificate) => Number(each.certificateId === certificateId);
  return state
    .withNames(nameSetKey(names))
    .filter(({ current }) => current?.leafHash === leafHash)
    .toSorted((one, other) => isFirst(other) - isFirst(one));
}

/** A certificate that a predicate fits, and that has not ended. */
export interface RevocableCertificate {
  readonly certificateId: string;
  readonly names: readonly string[];
  /** Hexadecimal. */
  readonly serialNumber: string;
  /** SHA-256 of the leaf, base64url. */
  readonly leafHash: string;
  /** Whether the certificate was removed from the bus: servers outside CertBus may still use what they were given of it. */
  readonly isRemoved: boolean;
  /**
   * `ready`: it was replaced or removed, long enough ago. `waiting`: it was, and is revoked from `until` on. `not-replaced`: it is served, also as part
   * of another certificate, or what replaced it is meant as well. `elsewhere`: it is as `ready`, and came from a CA that is not known here.
   */
  readonly state: 'ready' | 'waiting' | 'not-replaced' | 'elsewhere';
  /** With `waiting`. */
  readonly until?: Date | undefined;
}

/** A certificate to be revoked, and the leaf itself. */
export interface Found extends RevocableCertificate {
  readonly issued: IssuedCertificate;
}

type Fits = (certificate: ManagedCertificate, issued: IssuedCertificate) => boolean;

/** When, and how long what replaced a leaf has to be served. */
interface Timing {
  readonly now: Date;
  /** Milliseconds. */
  readonly servedForMs: number;
}

/**
 * When a leaf was replaced by one that is not meant: when the first of those came that are newer, which can be long after they were issued. What was
 * removed needs no other in its place.
 */
function replacedAt(
  certificate: ManagedCertificate,
  newer: readonly IssuedCertificate[],
  fits: Fits,
): number | undefined {
  if (certificate.removedAt !== undefined) return Date.parse(certificate.removedAt);
  const [current] = newer;
  if (!current || certificate.revoked || fits(certificate, current)) return undefined;
  const came = newer
    .filter((issued) => !issued.distrusted && !fits(certificate, issued))
    .flatMap(({ obtainedAt, importedAt }) => obtainedAt ?? importedAt ?? [])
    .map((at) => Date.parse(at));
  return came.length > 0 ? Math.min(...came) : undefined;
}

/** The leaves of a certificate that are meant and have not ended, and which of them can be revoked at `now`. */
export function* revocableIn(
  certificate: ManagedCertificate,
  { fits, now, servedForMs }: Timing & { readonly fits: Fits },
): Iterable<Found> {
  const { certificateId, current, revoked, removed } = certificate;
  const all = leavesOf(certificate);
  for (const [index, issued] of all.entries()) {
    if (Date.parse(issued.notAfter) <= now.getTime() || !fits(certificate, issued)) continue;
    if (issued === current && revoked) continue;
    const { names, serialNumber, leafHash } = issued;
    const since = replacedAt(certificate, all.slice(0, index), fits);
    const found = { certificateId, names, serialNumber, leafHash, isRemoved: removed, issued };
    if (since === undefined) yield { ...found, state: 'not-replaced' };
    else if (since + servedForMs > now.getTime())
      yield { ...found, state: 'waiting', until: new Date(since + servedForMs) };
    else yield { ...found, state: issued.directory === undefined ? 'elsewhere' : 'ready' };
  }
}

/** The leaves of a removed certificate that are not revoked yet, since its removal is too short ago. */
export const keptBy = (certificate: ManagedCertificate, timing: Timing): readonly Found[] =>
  [...revocableIn(certificate, { fits: () => true, ...timing })].filter(({ state }) => state === 'waiting');

/** The later, the less ready. */
function readyAt({ state, until }: Pick<Found, 'state' | 'until'>): number {
  if (state === 'not-replaced') return Number.POSITIVE_INFINITY;
  return until?.getTime() ?? Number.NEGATIVE_INFINITY;
}

/**
 * What was found, as the bus as a whole has it: a leaf that was removed and imported again is in two certificates, and a CA revokes it for both.
 * It is as ready as in the one that needs it longest, be that meant or not. `kept`: as {@link keptBy} has it, of all removed certificates, by leaf hash.
 */
export function asOnBus(
  state: Pick<ManagerState, 'withNames'>,
  found: Found,
  { kept, ...timing }: Timing & { readonly kept: ReadonlyMap<string, readonly Found[]> },
): Found {
  const fits: Fits = (_, { leafHash }) => leafHash === found.leafHash;
  const served = state
    .withNames(nameSetKey(found.names))
    .flatMap((each) => [...revocableIn(each, { fits, ...timing })]);
  let last = found;
  for (const each of [...served, ...(kept.get(found.leafHash) ?? [])]) if (readyAt(each) > readyAt(last)) last = each;
  return { ...found, state: last.state, until: last.until };
}

/**
 * What was found, of which only what was agreed to is ready: people agree to what they were shown, and more can have become ready meanwhile.
 * `leafHashes`: what they were shown; `undefined` for all.
 */
export function asAgreed(
  found: readonly Found[],
  { leafHashes, now }: { readonly leafHashes: readonly string[] | undefined; readonly now: Date },
): readonly Found[] {
  if (leafHashes === undefined) return found;
  const agreed = new Set(leafHashes);
  const isNew = ({ state, leafHash }: Found) => state === 'ready' && !agreed.has(leafHash);
  return found.map((each) => (isNew(each) ? { ...each, state: 'waiting', until: now } : each));
}
