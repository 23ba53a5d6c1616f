/** Decides the steps of an issuance whose claim is held, from its order to its end. */
import {
  type AnnouncedChallengeType,
  type CsrWithKey,
  claimantOf,
  type FailureClass,
  type Issuance,
  MAX_NAMES,
  type ManagedCertificate,
  NEVER,
  sha256,
} from '@certbus/events';
import type { WrittenEvent } from '@certbus/events/history';
import type { Decision } from '@certbus/store';
import { claimLost } from '../errors.ts';
import { isStateless } from '../state/accounts.ts';
import type { ManagerState } from '../state/state.ts';
import { attemptAfter, backOffUntil, isShared, limitPauseOf } from './back-off.ts';
import { claimLengthMs } from './claim-length.ts';
import { isOverdue } from './outage.ts';

/** Which claim a process believes it holds. */
export interface HeldClaim {
  readonly certificateId: string;
  readonly issuanceId: string;
  readonly holder: string;
}

/** What a CA issued, read from the leaf. */
export interface IssuedContent {
  /** DER. */
  readonly leaf: Uint8Array;
  /** DER, in the order they are served. */
  readonly issuers: readonly Uint8Array[];
  readonly names: readonly string[];
  /** Hexadecimal, upper case. */
  readonly serialNumber: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** Why an issuance failed. */
export interface FailureReason {
  readonly problem: string;
  readonly class: FailureClass;
  readonly detail: string;
  /** The CA's own Retry-After, where it gave one. */
  readonly notBefore: Date | undefined;
  /** As in `IssuanceFailed`. Default none. */
  readonly invalidNames?: readonly string[];
  /** For how long names that are refused are tried again. */
  readonly giveUpAfterMs: number;
  /** Whether the certificate's CA has a second one behind it. Default false. */
  readonly hasFallback?: boolean;
  /** Whether the CA as a whole was down, so that the back-off ends with the outage. Default false. */
  readonly isOutage?: boolean;
}

/** From when on it is tried again once the CA answers: after the CA's own Retry-After. Nothing where the CA was not down. */
function retryAtOf(now: Date, notBefore: Date, why: FailureReason): { readonly retryAt?: string } {
  if (!why.isOutage) return {};
  const askedAt = Math.max(now.getTime(), why.notBefore?.getTime() ?? 0);
  return { retryAt: new Date(Math.min(notBefore.getTime(), askedAt)).toISOString() };
}

/** What is recorded of the names that the CA counts as failed: nothing where there are none. */
function invalidOf({ invalidNames = [] }: FailureReason): { readonly invalidNames?: readonly string[] } {
  return invalidNames.length > 0 ? { invalidNames: invalidNames.slice(0, MAX_NAMES) } : {};
}

/** The issuance as it stands. Throws `CERTBUS_MANAGER_CLAIM_LOST` when it is closed or somebody else's. */
export function issuanceOf(state: ManagerState, { certificateId, issuanceId, holder }: HeldClaim): Issuance {
  const issuance = state.certificate(certificateId)?.issuance;
  if (issuance?.issuanceId !== issuanceId || issuance.holder !== holder) throw claimLost(certificateId);
  return issuance;
}

/** A challenge that clients are to answer. */
export interface ClientChallenge {
  readonly challengeType: AnnouncedChallengeType;
  readonly name: string;
  readonly token: string;
  readonly thumbprint: string;
}

/** Longer than an order can take; a manager that resumes it presents its challenges again. */
const CHALLENGE_MS = 900_000;

/**
 * Presents challenges to the clients; those that they answer already are not presented again: HTTP-01 of the account that needs no
 * announcement, and what was presented a moment ago.
 */
export function presentChallenges(
  state: ManagerState,
  now: Date,
  claim: HeldClaim,
  challenges: readonly ClientChallenge[],
): Decision<void> {
  const { issuanceId } = issuanceOf(state, claim);
  const isAnswered = ({ challengeType, name, token, thumbprint }: ClientChallenge) =>
    (challengeType === 'http-01' && isStateless(state.bus, thumbprint)) ||
    state.bus.challenges.some(
      (known) =>
        known.issuanceId === issuanceId &&
        known.challengeType === challengeType &&
        known.identifier === name &&
        known.token === token &&
        known.thumbprint === thumbprint &&
        Date.parse(known.expiresAt) - now.getTime() > CHALLENGE_MS / 2,
    );
  const expiresAt = new Date(now.getTime() + CHALLENGE_MS).toISOString();
  const events = challenges
    .filter((challenge) => !isAnswered(challenge))
    .map(({ challengeType, name, token, thumbprint }) => {
      const challenge = { issuanceId, challengeType, identifier: name, token, thumbprint, expiresAt };
      return { type: 'ChallengePresented' as const, ...challenge };
    });
  return { events, result: undefined };
}

/** Makes one's own claim last longer, by `claimMs` at most. */
export function extendClaim(
  state: ManagerState,
  now: Date,
  claim: HeldClaim & { readonly claimMs: number },
): Decision<Date> {
  const { names } = issuanceOf(state, claim);
  const { certificateId, issuanceId, holder } = claim;
  const claimMs = claimLengthMs(state, { certificateId, names }, claim.claimMs);
  const until = new Date(now.getTime() + claimMs);
  const event = { type: 'IssuanceTakenOver' as const, issuanceId, certificateId, holder, until: until.toISOString() };
  return { events: [event], result: until };
}

/** Records the CA's order, before anything else happens to it. */
export function recordOrder(state: ManagerState, claim: HeldClaim, orderUrl: string): Decision<void> {
  const { certificateId, issuanceId, holder } = claim;
  if (issuanceOf(state, claim).orderUrl === orderUrl) return { events: [], result: undefined };
  return { events: [{ type: 'OrderCreated', issuanceId, certificateId, holder, orderUrl }], result: undefined };
}

/** Puts another key forward for the same order, once. */
export function replaceCsr(state: ManagerState, claim: HeldClaim, csr: CsrWithKey): Decision<Issuance> {
  const issuance = issuanceOf(state, claim);
  if (issuance.csrs.some((known) => known.csr === csr.csr)) return { events: [], result: issuance };
  const { certificateId, issuanceId } = claim;
  const event = { type: 'CsrReplaced' as const, issuanceId, certificateId, ...csr };
  return { events: [event], result: { ...issuance, csrs: [...issuance.csrs, csr] } };
}

/** What is recorded of a certificate. */
export interface ObtainedRecord {
  readonly content: IssuedContent;
  readonly csr: CsrWithKey;
  /** Whether an append of it failed before, which can have written it all the same. Default false. */
  readonly isRepeated?: boolean;
}

/** Records what was issued, once, with the sealed key that matches it and the issuers that the bus does not know yet. */
export function recordObtained(
  state: ManagerState,
  claim: HeldClaim,
  { content, csr, isRepeated = false }: ObtainedRecord,
): Decision<void> {
  const { certificateId, issuanceId } = claim;
  const recorded = state.certificate(certificateId)?.current?.leafHash;
  if (isRepeated && recorded === sha256(content.leaf)) return { events: [], result: undefined };
  const { reason, challengeType, profile, keyType, directory, fallbackFor } = issuanceOf(state, claim);
  const issuers = content.issuers.map((der) => ({
    hash: sha256(der),
    certificate: Buffer.from(der).toString('base64'),
  }));
  const events: WrittenEvent[] = issuers
    .filter(({ hash }) => !state.issuer(hash))
    .map((issuer) => ({ type: 'IssuerAdded', ...issuer }));
  events.push({
    type: 'CertificateObtained',
    issuanceId,
    certificateId,
    reason,
    names: content.names,
    leaf: Buffer.from(content.leaf).toString('base64'),
    issuers: issuers.map(({ hash }) => hash),
    sealedKey: csr.sealedKey,
    serialNumber: content.serialNumber,
    notBefore: content.notBefore.toISOString(),
    notAfter: content.notAfter.toISOString(),
    challengeType,
    profile,
    keyType,
    directory,
    fallbackFor,
  });
  return { events, result: undefined };
}

/** Whether the names were refused for so long, with nothing left to serve, that further attempts only burden the CA. */
function isHopeless({ failure, current }: ManagedCertificate, now: Date, why: FailureReason): boolean {
  const isRefused = why.class === 'permanent-name' && failure !== undefined;
  const isServed = current !== undefined && Date.parse(current.notAfter) > now.getTime();
  return isRefused && !isServed && now.getTime() - Date.parse(failure.since) >= why.giveUpAfterMs;
}

/** Whether names that were never issued cannot be as they were asked for: no attempt but an outage's came before this refusal. */
function isImpossible(certificate: ManagedCertificate | undefined, why: FailureReason): boolean {
  const { current, failure } = certificate ?? {};
  return why.class === 'permanent-request' && !current && (!failure || isShared(failure.class));
}

/** What a second CA refuses, the certificate's own CA can accept at once: so it waits as for an outage. */
const SECOND_CA = { class: 'authority', atLeast: undefined } as const;

/**
 * Closes an issuance that failed, and records when the next attempt can be: never, by itself, where the names were refused for long
 * enough and the last certificate has expired. A person can always renew it. What cannot be issued as it was asked for, and never was, is
 * not kept.
 */
export function recordFailure(state: ManagerState, now: Date, claim: HeldClaim, why: FailureReason): Decision<Date> {
  const isAtSecond = issuanceOf(state, claim).fallbackFor !== undefined;
  const { certificateId, issuanceId } = claim;
  const certificate = state.certificate(certificateId);
  const attempt = attemptAfter(certificate?.failure);
  const said = isAtSecond ? SECOND_CA : { class: why.class, atLeast: why.notBefore };
  const { hasFallback = false } = why;
  const pause = {
    attempt,
    current: certificate?.current,
    hasFallback,
    lastLimitMs: limitPauseOf(certificate?.failure),
    ...said,
  };
  const isGivenUp = certificate !== undefined && !isAtSecond && isHopeless(certificate, now, why);
  const notBefore = isGivenUp ? new Date(NEVER) : backOffUntil(now, pause);
  const { problem, class: problemClass, detail } = why;
  const invalid = invalidOf(why);
  const failure = { issuanceId, certificateId, problem, class: problemClass, detail, attempt, ...invalid };
  const retry = isAtSecond ? {} : retryAtOf(now, notBefore, why);
  const failed: WrittenEvent = { type: 'IssuanceFailed', ...failure, notBefore: notBefore.toISOString(), ...retry };
  const isKept = isAtSecond || !isImpossible(certificate, why);
  const removed: WrittenEvent = { type: 'CertificateRemoved', certificateId };
  return { events: isKept ? [failed] : [failed, removed], result: notBefore };
}

/** A renewal that failed before there was a claim. */
export interface UnstartedRenewal {
  readonly certificateId: string;
  readonly issuanceId: string;
  /** The CA that would have been asked where the bus does not name one. */
  readonly otherwise: string;
}

/** Whether an issuance is open that somebody is at work on, or that can still go on: no failure is recorded over it. */
export function isUnderWay(certificate: Pick<ManagedCertificate, 'issuance' | 'current'>, now: Date): boolean {
  const { issuance, current } = certificate;
  if (!issuance) return false;
  return claimantOf(certificate, now) !== undefined || !isOverdue(issuance, current, now);
}

/**
 * Records a renewal that failed before there was a claim, so that it backs off as any other. One that was begun and left to its CA for too long ends
 * with it.
 */
export function recordUnstarted(
  state: ManagerState,
  now: Date,
  { certificateId, issuanceId: ownId, otherwise }: UnstartedRenewal,
  why: FailureReason,
): Decision<void> {
  const certificate = state.certificate(certificateId);
  if (!certificate || certificate.removed || isUnderWay(certificate, now)) return { events: [], result: undefined };
  const { problem, class: problemClass, detail, notBefore: atLeast, hasFallback = false } = why;
  const { current, failure: last } = certificate;
  const { issuanceId = ownId, directory = certificate.directory ?? otherwise } = certificate.issuance ?? {};
  const attempt = attemptAfter(last);
  const pause = { attempt, class: problemClass, current, atLeast, hasFallback, lastLimitMs: limitPauseOf(last) };
  const notBefore = backOffUntil(now, pause);
  const failure = { issuanceId, certificateId, problem, class: problemClass, detail, attempt, directory };
  const event = { type: 'IssuanceFailed' as const, ...failure, ...retryAtOf(now, notBefore, why) };
  return { events: [{ ...event, notBefore: notBefore.toISOString() }], result: undefined };
}

/** Gives a claim up before its end, so that others need not wait. A claim that is gone already needs nothing. */
export function releaseClaim(state: ManagerState, { certificateId, issuanceId, holder }: HeldClaim): Decision<void> {
  const issuance = state.certificate(certificateId)?.issuance;
  const isMine = issuance?.issuanceId === issuanceId && issuance.holder === holder;
  return { events: isMine ? [{ type: 'IssuanceReleased', issuanceId, certificateId, holder }] : [], result: undefined };
}
