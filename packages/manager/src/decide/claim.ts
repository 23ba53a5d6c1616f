/** Decides who may work on an issuance: a claim that ends by itself. */
import {
  type ChallengeType,
  type CsrWithKey,
  dutyOf,
  type Issuance,
  type IssuanceReason,
  type KeyType,
  type ManagedCertificate,
  nameSetKey,
} from '@certbus/events';
import type { OrderKind, WrittenEvent } from '@certbus/events/history';
import type { Decision } from '@certbus/store';
import { certificateNotFound } from '../errors.ts';
import type { ManagerState } from '../state/state.ts';
import type { BindingLimit } from './binding-limit.ts';
import { campaignOf, campaignRoom, openCampaigns } from './campaign.ts';
import { claimLengthMs } from './claim-length.ts';
import { type Choice, destinationOf } from './destination.ts';
import { DEFAULT_KEY_TYPE, keyKindOf, renewedKeyType } from './key-type.ts';
import { bindingLimit, type LimitsOf, orderKindOf } from './limits.ts';
import { nextActionAfterOutage } from './outage.ts';

/** Who asks for a claim, and how long it lasts at most. */
export interface ClaimTerms {
  /** Name of this process, unlike any other's. */
  readonly holder: string;
  /** The longest that a claim lasts, milliseconds; see {@link claimLengthMs}. */
  readonly claimMs: number;
  /** The longest that a claim of another counts after its end, for clocks that differ, milliseconds; as above. */
  readonly graceMs: number;
  /** Take a claim that another holds without waiting for its end. */
  readonly takeOver: boolean;
  /** Holders whose process is known to have ended: their claims no longer count. Default none. */
  readonly ended?: ReadonlySet<string>;
  /** What CAs allow; default without limits. */
  readonly limits?: LimitsOf;
}

/** What is to be issued. */
export interface IssuanceSubject {
  readonly names: readonly string[];
  readonly challengeType: ChallengeType;
  readonly profile: string | undefined;
  /** `undefined` for P-256. */
  readonly keyType?: KeyType | undefined;
  readonly directory: string;
  /** The certificate's own CA, where `directory` is a second one's. */
  readonly fallbackFor?: string | undefined;
}

/** What came of asking for a claim. */
export type ClaimResult =
  /** This process holds the claim and completes the issuance. */
  | {
      readonly kind: 'claimed';
      readonly certificateId: string;
      readonly issuance: Issuance;
      readonly resumed: boolean;
      /** Whether it is another certificate's for the same names, whose order is open: it is completed first, then asked again. */
      readonly isSibling?: boolean;
    }
  /** There is a certificate already with such a key, or, for a renewal that was asked for only where it is due, it is not any more. */
  | { readonly kind: 'managed'; readonly certificate: ManagedCertificate }
  /** Another process holds a claim on this set of names. */
  | {
      readonly kind: 'held';
      readonly certificateId: string;
      readonly holder: string;
      readonly until: Date;
      /** When others can take it over: later than its end, for clocks that differ. */
      readonly takeOverAt: Date;
    }
  /** The CA's limits leave no room for an order now. */
  | { readonly kind: 'limited'; readonly names: readonly string[]; readonly binding: BindingLimit }
  /** A claim could be made, with a CSR for these names sealed to the recipients now in force. */
  | ({ readonly kind: 'csr-needed' } & CsrSubject);

/** What a key and its CSR are made for. */
export type CsrSubject = Pick<IssuanceSubject, 'names' | 'keyType' | 'directory'>;

/** The state in which a renewal is still wanted; where it has passed, somebody else was first. */
export interface RenewalCondition {
  /** The leaf that is to be replaced. */
  readonly leafHash: string | undefined;
  readonly dueBy: Date;
  /** The campaign that it is wanted for, due or not. Default none. */
  readonly campaignId?: string | undefined;
}

type Claim = Decision<ClaimResult>;

const LONGEST_CLAIM_MS = 86_400_000;

interface NewClaim extends IssuanceSubject {
  readonly kind: OrderKind;
  readonly certificateId: string;
  readonly issuanceId: string;
  readonly reason: IssuanceReason;
  readonly replaces: string | undefined;
  readonly campaignId: string | undefined;
  readonly csr: CsrWithKey | undefined;
}

const say = (result: ClaimResult, ...events: WrittenEvent[]): Claim => ({ events, result });

/** The pace of a campaign, where it leaves no room for an order now. */
function paceLimit(state: ManagerState, now: Date, campaignId: string | undefined): BindingLimit | undefined {
  if (campaignId === undefined) return undefined;
  const { left, at } = campaignRoom(campaignOf(state, campaignId), now);
  return left > 0 ? undefined : { limit: 'campaign', subject: campaignId, until: at };
}

function start(state: ManagerState, now: Date, claim: NewClaim, terms: ClaimTerms): Claim {
  const { holder } = terms;
  const claimMs = claimLengthMs(state, claim, terms.claimMs);
  const { certificateId, issuanceId, names, reason, challengeType, profile, keyType, directory, fallbackFor } = claim;
  const { replaces, campaignId, csr } = claim;
  const limits = terms.limits?.(directory);
  const binding = paceLimit(state, now, campaignId) ?? (limits && bindingLimit(state, now, claim, limits));
  if (binding) return say({ kind: 'limited', names, binding });
  if (csr?.recipientsPosition !== state.bus.recipientsPosition)
    return say({ kind: 'csr-needed', names, keyType, directory });
  const until = new Date(now.getTime() + claimMs).toISOString();
  const subject = { names, reason, challengeType, profile, keyType, directory, fallbackFor, replaces, campaignId };
  const started = { issuanceId, ...subject, holder, until };
  const issuance: Issuance = { ...started, startedAt: now.toISOString(), csrs: [csr], orderUrl: undefined };
  const event = { type: 'IssuanceStarted' as const, certificateId, ...started, ...csr };
  return say({ kind: 'claimed', certificateId, issuance, resumed: false }, event);
}

/** An issuance that is open, and the certificate that it is for. */
interface OpenIssuance {
  readonly certificate: ManagedCertificate;
  readonly issuance: Issuance;
  readonly isSibling?: boolean;
}

/** Takes over what is open, or returns who holds it. */
function resume(
  state: ManagerState,
  now: Date,
  { certificate, issuance, isSibling = false }: OpenIssuance,
  terms: ClaimTerms,
): Claim {
  const { certificateId } = certificate;
  const claimMs = claimLengthMs(state, certificate, terms.claimMs);
  const graceMs = claimLengthMs(state, certificate, terms.graceMs);
  const { holder: other, issuanceId } = issuance;
  const end = Date.parse(issuance.until);
  // One that lasts far longer than claims do was made by a clock that was wrong, and would block the names for years.
  const isSound = end - now.getTime() <= Math.max(LONGEST_CLAIM_MS, 2 * claimMs);
  const isMine = other === terms.holder;
  // Of a sibling's, this process is at work on it at the same time.
  const isOther = other !== undefined && (isSibling || !isMine);
  const isHeld = isOther && isSound && !terms.ended?.has(other) && now.getTime() < end + graceMs;
  if (isHeld && (isMine || !terms.takeOver))
    return say({
      kind: 'held',
      certificateId,
      holder: other,
      until: new Date(end),
      takeOverAt: new Date(end + graceMs),
    });
  const until = new Date(now.getTime() + claimMs).toISOString();
  const taken = { ...issuance, holder: terms.holder, until };
  const event = { type: 'IssuanceTakenOver' as const, issuanceId, certificateId, holder: terms.holder, until };
  return say({ kind: 'claimed', certificateId, issuance: taken, resumed: true, isSibling }, event);
}

/**
 * What is open for the same names at the same CA, under another id: one order for a name set at a time, since two might be one pending
 * order at the CA. `undefined` where it is only to be begun again.
 */
function openSibling(
  state: ManagerState,
  { names, directory }: Pick<IssuanceSubject, 'names' | 'directory'>,
  certificateId: string | undefined,
): OpenIssuance | undefined {
  for (const certificate of state.withNames(nameSetKey(names))) {
    const { issuance } = certificate;
    const isOrdered = issuance?.holder !== undefined || issuance?.orderUrl !== undefined;
    if (issuance?.directory === directory && isOrdered && certificate.certificateId !== certificateId)
      return { certificate, issuance, isSibling: true };
  }
  return undefined;
}

/** Asks for a claim on a certificate for a set of names that may be managed already with a key of this type. */
export function claimNew(
  state: ManagerState,
  now: Date,
  subject: IssuanceSubject,
  options: ClaimTerms & {
    readonly certificateId: string;
    readonly issuanceId: string;
    readonly csr: CsrWithKey | undefined;
    /** Make a second certificate for names that have one with a key of this type. */
    readonly another: boolean;
  },
): Claim {
  const { keyType = DEFAULT_KEY_TYPE } = subject;
  const same = state.withNames(nameSetKey(subject.names)).filter((each) => keyKindOf(each) === keyType);
  const open = same.find(({ issuance }) => issuance);
  if (open?.issuance) return resume(state, now, { certificate: open, issuance: open.issuance }, options);
  const managed = same.find(({ current, directory }) => current && directory !== undefined);
  if (managed && !options.another) return say({ kind: 'managed', certificate: managed });
  const { issuanceId, csr, another } = options;
  // A certificate whose first issuance failed keeps its id, and so does an imported one that nobody renewed.
  const begun = same.find(({ current, directory }) => !current || (directory === undefined && !another));
  const certificateId = begun?.certificateId ?? options.certificateId;
  const sibling = openSibling(state, subject, certificateId);
  if (sibling) return resume(state, now, sibling, options);
  const claim = {
    ...subject,
    certificateId,
    issuanceId,
    reason: 'new',
    kind: 'new',
    replaces: undefined,
    campaignId: undefined,
    csr,
  } as const;
  return start(state, now, claim, options);
}

/** Whether a campaign goes on, and nothing puts off what it wants replaced. */
function isCampaignWaiting(
  state: ManagerState,
  certificate: ManagedCertificate,
  { now, campaignId }: { readonly now: Date; readonly campaignId: string },
): boolean {
  const pausedUntil = dutyOf(certificate)?.pausedUntil ?? now;
  return pausedUntil <= now && openCampaigns(state).some((campaign) => campaign.campaignId === campaignId);
}

function isStillWanted(
  state: ManagerState,
  certificate: ManagedCertificate,
  { now, leafHash, dueBy, campaignId }: RenewalCondition & { readonly now: Date },
): boolean {
  if (certificate.current?.leafHash !== leafHash) return false;
  if (campaignId !== undefined && !certificate.issuance)
    return isCampaignWaiting(state, certificate, { now, campaignId });
  const dueAt = certificate.issuance ? dueBy : nextActionAfterOutage(certificate, now);
  return dueAt !== undefined && dueAt <= dueBy;
}

/** Asks for a claim on the renewal of a managed certificate. Throws `CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND`. */
export function claimRenewal(
  state: ManagerState,
  now: Date,
  certificateId: string,
  options: ClaimTerms & {
    readonly issuanceId: string;
    readonly csr: CsrWithKey | undefined;
    /** RFC 9773 identifier of the current certificate. */
    readonly replaces: string | undefined;
    /** Used where the bus does not say how an imported certificate is renewed. */
    readonly otherwise: Pick<IssuanceSubject, 'challengeType' | 'directory'>;
    /** Default: it is wanted in any case. */
    readonly only?: RenewalCondition | undefined;
    /** Directory of the CA that it moves to, unless an order is open already. Default: it stays. */
    readonly movedTo?: string | undefined;
  } & Pick<Choice, 'authorities' | 'unavailable'>,
): Claim {
  const certificate = state.certificate(certificateId);
  if (!certificate || certificate.removed) throw certificateNotFound(certificateId);
  if (options.only && !isStillWanted(state, certificate, { ...options.only, now }))
    return say({ kind: 'managed', certificate });
  const { issuance } = certificate;
  if (issuance) return resume(state, now, { certificate, issuance }, options);
  const { names, current } = certificate;
  const keyType = renewedKeyType(certificate);
  const { challengeType = options.otherwise.challengeType, directory = options.otherwise.directory } = certificate;
  const ownDirectory = options.movedTo ?? directory;
  const destination = destinationOf(certificate, { ...options, ownDirectory, now });
  const profile = destination.fallbackFor === undefined ? certificate.profile : undefined;
  const subject = { names, challengeType, profile, keyType, ...destination };
  const sibling = openSibling(state, subject, certificateId);
  if (sibling) return resume(state, now, sibling, options);
  const { issuanceId, csr } = options;
  // Another CA does not know the certificate, and refuses an order that names it.
  const replaces = current?.directory === destination.directory ? options.replaces : undefined;
  const reason = current ? 'renewal' : 'new';
  // What cannot be named cannot be told from a new order when the log is read again.
  const kind = replaces === undefined ? 'new' : orderKindOf(certificate, { directory: destination.directory, now });
  const campaignId = options.only?.campaignId;
  return start(state, now, { ...subject, certificateId, issuanceId, reason, kind, replaces, campaignId, csr }, options);
}
