import { X509Certificate } from 'node:crypto';
import { AcmeError, AcmeProblemError, certificateId as ariId, obtain, type PresentedChallenge } from '@certbus/acme';
import type { CsrOffer, Issuance, ManagedCertificate } from '@certbus/events';
import { authorityOf, openAuthority } from './account.ts';
import { keep } from './claim-keeper.ts';
import type { Configuration } from './configuration.ts';
import { type Context, decide } from './context.ts';
import { needsRehearsal } from './decide/authority.ts';
import {
  type FailureReason,
  type HeldClaim,
  type IssuedContent,
  issuanceOf,
  presentChallenges,
  recordFailure,
  recordObtained,
  recordOrder,
  releaseClaim,
  replaceCsr,
} from './decide/issuance.ts';
import { claimLost, ManagerError } from './errors.ts';
import { createOffer, publicKeyOf } from './offer.ts';
import { rehearse } from './rehearsal.ts';
import { solverFor } from './solvers.ts';

/** A step of an issuance, for those who watch. */
export interface Progress {
  readonly step: 'waiting' | 'claimed' | 'taken-over' | 'order' | 'warning' | 'issued' | 'recorded';
  readonly certificateId: string;
  readonly names: readonly string[];
  /** With `waiting`: who holds the claim, and its end. */
  readonly holder?: string;
  readonly until?: Date;
  readonly orderUrl?: string;
  /** With `warning`: what will be a trouble later. */
  readonly message?: string;
}

/** What a driver needs beside its claim. */
export interface DriveOptions {
  readonly config: Configuration;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

/** What the leaf says. */
function readLeaf(leaf: Uint8Array, issuers: readonly Uint8Array[], names: readonly string[]): IssuedContent {
  const { serialNumber, validFromDate, validToDate } = new X509Certificate(leaf);
  return { leaf, issuers, names, serialNumber, notBefore: validFromDate, notAfter: validToDate };
}

function spkiOf(leaf: Uint8Array): Buffer {
  return new X509Certificate(leaf).publicKey.export({ format: 'der', type: 'spki' });
}

/** Puts a new key forward where the recipients changed since the last one was sealed. */
async function currentOffer(
  context: Context,
  claim: HeldClaim,
  issuance: Issuance,
  signal: AbortSignal,
): Promise<CsrOffer> {
  const { bus } = context.view.state;
  const last = issuance.offers.at(-1);
  if (last?.recipientsPosition === bus.recipientsPosition) return last;
  const offer = await createOffer(issuance, bus);
  await decide(context, (state) => replaceCsr(state, claim, offer), signal);
  return offer;
}

async function runOrder(
  context: Context,
  claim: HeldClaim,
  { config, signal, onProgress }: DriveOptions,
  lost: AbortSignal,
) {
  const stop = AbortSignal.any([signal, lost]);
  const issuance = issuanceOf(context.view.state, claim);
  const { names, challengeType, profile, directory, replaces, orderUrl } = issuance;
  const offer = await currentOffer(context, claim, issuance, stop);
  const publish = async (challenges: readonly PresentedChallenge[]) => {
    const told = challenges.map(({ name, token, keyAuthorization }) => {
      return { name, token, thumbprint: keyAuthorization.slice(token.length + 1) };
    });
    await decide(context, (state, now) => presentChallenges(state, now, claim, told), stop);
  };
  const warn = (message: string) => {
    context.logger.warn(message, { names });
    onProgress({ step: 'warning', certificateId: claim.certificateId, names, message });
  };
  const solver = await solverFor(config, { names, challengeType, publish, warn }, context.solvers);
  const authority = authorityOf(config, directory);
  const certificate = context.view.state.certificate(claim.certificateId);
  if (orderUrl === undefined && authority.staging !== undefined && certificate && needsRehearsal(certificate)) {
    await rehearse(context, { config, authority, issuance, solver, signal: stop });
  }
  const ca = await openAuthority(context, authority, { signal: stop });
  const { certificateId } = claim;
  const order = (resume: string | undefined) =>
    obtain(ca, {
      names,
      csr: Buffer.from(offer.csr, 'base64'),
      acceptKey: (spki) => offerFor(context, claim, spki) !== undefined,
      challenge: challengeType,
      solver,
      ...(profile ? { profile } : {}),
      ...(replaces ? { replaces } : {}),
      ...(resume ? { resume } : {}),
      async onOrder(url) {
        await decide(context, (state) => recordOrder(state, claim, url), stop);
        onProgress({ step: 'order', certificateId, names, orderUrl: url });
      },
      signal,
      abandon: lost,
    });
  try {
    return await order(orderUrl);
  } catch (error) {
    const isGone = orderUrl && error instanceof AcmeError && error.code === 'CERTBUS_ACME_ORDER_GONE';
    if (!isGone) throw error;
    // What was left behind can no longer be finished; the claim and its key serve a new order.
    return await order(undefined);
  }
}

/** The offer whose public key this is. */
function offerFor(context: Context, claim: HeldClaim, spki: Uint8Array): CsrOffer | undefined {
  const { offers } = issuanceOf(context.view.state, claim);
  return offers.find((offer) => Buffer.compare(publicKeyOf(offer), spki) === 0);
}

const DAY_MS = 86_400_000;
const GIVE_UP_AFTER_DAYS = 30;

/** Codes of failures that are no certificate's fault: the CA cannot be reached, or something else answers in its place. */
const OUTAGES = new Set(['CERTBUS_ACME_UNREACHABLE', 'CERTBUS_ACME_BREAKER_OPEN', 'CERTBUS_ACME_NOT_ACME']);

/** Codes of what waits for somebody's doing. */
const FOR_PEOPLE = new Set(['CERTBUS_ACME_RECORD_MISSING']);

/** Codes that say that a name is not ours to prove. */
const REFUSALS = new Set(['CERTBUS_ACME_ZONE_NOT_FOUND', 'CERTBUS_MANAGER_ZONE_NOT_CONFIGURED']);

function classOf(code: string): string {
  if (OUTAGES.has(code)) return 'authority';
  if (FOR_PEOPLE.has(code)) return 'operator-action';
  return REFUSALS.has(code) ? 'permanent-name' : 'temporary';
}

/** What goes on the bus of a failure: the CA's words, or ours. */
export function reasonOf(error: unknown): Omit<FailureReason, 'giveUpAfterMs'> {
  if (error instanceof AcmeProblemError) {
    const { problem, notBefore } = error;
    return { problem: problem.type, class: error.class, detail: problem.detail ?? '', notBefore };
  }
  const isCoded = error instanceof Error && 'code' in error && typeof error.code === 'string';
  const problem = isCoded ? String(error.code) : 'CERTBUS_UNEXPECTED';
  const detail = error instanceof Error ? error.message : 'unknown';
  const notBefore = error instanceof AcmeError ? error.notBefore : undefined;
  return { problem, class: classOf(problem), detail: detail.slice(0, 1000), notBefore };
}

/**
 * Drives a claimed issuance to its end: order, challenges, certificate, event. Whatever ends it early is written down first:
 * an interruption releases the claim, a failure closes the issuance, a lost claim leaves all to its new holder.
 */
export async function drive(context: Context, claim: HeldClaim, options: DriveOptions): Promise<IssuedContent> {
  const { names } = issuanceOf(context.view.state, claim);
  const { certificateId } = claim;
  await using keeper = keep(context, claim);
  try {
    const { leaf, issuers } = await runOrder(context, claim, options, keeper.lost);
    options.onProgress({ step: 'issued', certificateId, names });
    const offer = offerFor(context, claim, spkiOf(leaf));
    if (!offer)
      throw new AcmeError(
        'CERTBUS_ACME_CERTIFICATE_REFUSED',
        `The certificate for ${names.join(', ')} has a key that nobody here made.`,
      );
    const content = readLeaf(leaf, issuers, names);
    await decide(context, (state) => recordObtained(state, claim, { content, offer }));
    options.onProgress({ step: 'recorded', certificateId, names });
    return content;
  } catch (error) {
    throw await giveUp(context, claim, error, { ...options, lost: keeper.lost });
  }
}

async function giveUp(
  context: Context,
  claim: HeldClaim,
  error: unknown,
  { config, signal, lost }: Pick<DriveOptions, 'config' | 'signal'> & { readonly lost: AbortSignal },
): Promise<unknown> {
  if (error instanceof ManagerError && error.code === 'CERTBUS_MANAGER_CLAIM_LOST') return error;
  if (lost.aborted) return claimLost(claim.certificateId);
  try {
    const reason = { ...reasonOf(error), giveUpAfterMs: (config.giveUpAfterDays ?? GIVE_UP_AFTER_DAYS) * DAY_MS };
    if (signal.aborted) await decide(context, (state) => releaseClaim(state, claim));
    else await decide(context, (state, now) => recordFailure(state, now, claim, reason));
  } catch (unsaid) {
    // The bus is away as well: the claim runs out by itself, and the first error is the one to see.
    context.logger.warn('the end of an issuance could not be recorded', {
      certificateId: claim.certificateId,
      unsaid: String(unsaid),
    });
  }
  return error;
}

/** RFC 9773 identifier of what a renewal replaces. */
export function replacedBy({ current }: ManagedCertificate): string | undefined {
  return current?.directory === undefined ? undefined : ariId(Buffer.from(current.leaf, 'base64'));
}
