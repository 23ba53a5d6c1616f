/** Decides what the bus records of a certificate that comes from elsewhere. */
import { type ChallengeType, KEY_TYPES, type ManagedCertificate, nameSetKey, sha256 } from '@certbus/events';
import type { WrittenEvent } from '@certbus/events/history';
import type { Decision } from '@certbus/store';
import type { ManagerState } from '../state/state.ts';
import type { IssuedContent } from './issuance.ts';
import { type KeyKind, keyKindOf } from './key-type.ts';

/** How an imported certificate is renewed. */
export interface ImportedRenewal {
  /** Of the CA that renews it. */
  readonly directory: string;
  readonly challengeType: ChallengeType;
}

/** A certificate that comes from elsewhere, checked. */
export interface ImportedContent extends IssuedContent {
  readonly keyKind: KeyKind;
  /** Directory of the CA that issued it; `undefined` where it is none of the configuration. */
  readonly issuedBy: string | undefined;
  /** `undefined`: it is not renewed. */
  readonly renewal: ImportedRenewal | undefined;
}

/** A private key, sealed to the recipients of a position. */
export interface SealedToRecipients {
  readonly sealedKey: string;
  readonly recipientsPosition: number;
}

/**
 * What becomes of a certificate. `imported`: the bus has none for its names and key type. `replaced`: it takes the place of one that was
 * imported earlier. `managed`: it is there, and renewed from now on. `unchanged`: it is there. `skipped`: the bus has what is better.
 */
export type ImportVerdict =
  | { readonly outcome: 'imported'; readonly certificateId: string | undefined }
  | { readonly outcome: 'replaced' | 'managed' | 'unchanged'; readonly certificateId: string }
  | { readonly outcome: 'skipped'; readonly certificateId: string; readonly why: string };

const isSame = (leafHash: string) => (issued: { readonly leafHash: string }) => issued.leafHash === leafHash;

/** What keeps a certificate of the bus from being replaced by another of its names; `undefined` where nothing does. */
function obstacleOf({ current, issuance }: ManagedCertificate, notBefore: Date): string | undefined {
  if (issuance) return 'a certificate for these names is being issued';
  if (!current) return undefined;
  if (current.obtainedAt !== undefined) return 'the bus obtained a certificate for these names itself';
  return Date.parse(current.notBefore) < notBefore.getTime() ? undefined : 'the bus has a newer one for these names';
}

/** What becomes of a certificate on a bus as it is. */
export function verdictOf(state: ManagerState, content: ImportedContent): ImportVerdict {
  const leafHash = sha256(content.leaf);
  const same = state.withNames(nameSetKey(content.names));
  const own = same.find(({ current }) => current?.leafHash === leafHash);
  if (own) {
    const isToManage = content.renewal !== undefined && own.directory === undefined;
    return { outcome: isToManage ? 'managed' : 'unchanged', certificateId: own.certificateId };
  }
  const there = same.find((each) => keyKindOf(each) === content.keyKind);
  if (!there) return { outcome: 'imported', certificateId: undefined };
  const { certificateId, current, predecessors } = there;
  const why = predecessors.some(isSame(leafHash))
    ? 'the bus has replaced it already'
    : obstacleOf(there, content.notBefore);
  if (why !== undefined) return { outcome: 'skipped', certificateId, why };
  return { outcome: current ? 'replaced' : 'imported', certificateId };
}

const isKeyType = (kind: KeyKind) => KEY_TYPES.find((known) => known === kind);

/**
 * Records a certificate that comes from elsewhere, unless the bus has it or what is better. Without a key that is sealed to the recipients
 * now in force it records nothing, and `isSealed` is false.
 */
export function recordImported(
  state: ManagerState,
  content: ImportedContent,
  { fresh, sealed }: { readonly fresh: string; readonly sealed: SealedToRecipients | undefined },
): Decision<{ readonly verdict: ImportVerdict; readonly isSealed: boolean }> {
  const found = verdictOf(state, content);
  if (found.outcome === 'unchanged' || found.outcome === 'skipped')
    return { events: [], result: { verdict: found, isSealed: true } };
  if (sealed?.recipientsPosition !== state.bus.recipientsPosition)
    return { events: [], result: { verdict: found, isSealed: false } };
  const certificateId = found.certificateId ?? fresh;
  const issuers = content.issuers.map((der) => ({
    hash: sha256(der),
    certificate: Buffer.from(der).toString('base64'),
  }));
  const added = issuers.filter(({ hash }) => !state.issuer(hash));
  const { renewal, issuedBy, keyKind } = content;
  const events: WrittenEvent[] = added.map((issuer) => ({ type: 'IssuerAdded', ...issuer }));
  events.push({
    type: 'CertificateImported',
    certificateId,
    names: content.names,
    leaf: Buffer.from(content.leaf).toString('base64'),
    issuers: issuers.map(({ hash }) => hash),
    sealedKey: sealed.sealedKey,
    serialNumber: content.serialNumber,
    notBefore: content.notBefore.toISOString(),
    notAfter: content.notAfter.toISOString(),
    issuedBy,
    ...(renewal ? { ...renewal, keyType: isKeyType(keyKind) } : {}),
  });
  return { events, result: { verdict: { ...found, certificateId }, isSealed: true } };
}
