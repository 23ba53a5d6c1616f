import { X509Certificate } from 'node:crypto';
import {
  AcmeError,
  certificateId as ariId,
  isOutage,
  type Obtained,
  obtain,
  type PresentedChallenge,
  type Solver,
} from '@certbus/acme';
import type { ChallengeType, CsrWithKey, Issuance, ManagedCertificate } from '@certbus/events';
import { openAccount } from '../accounts/open-account.ts';
import { authorityAt } from '../configuration/certificate-authorities.ts';
import type { CertificateAuthority, Configuration } from '../configuration/configuration.ts';
import { type Context, decide } from '../context.ts';
import { destinationOf, needsRehearsal } from '../decide/destination.ts';
import {
  type HeldClaim,
  type IssuedContent,
  issuanceOf,
  presentChallenges,
  recordFailure,
  recordObtained,
  recordOrder,
  releaseClaim,
  replaceCsr,
} from '../decide/issuance.ts';
import { claimLost, ManagerError } from '../errors.ts';
import { keepClaimAlive } from './claim-keep-alive.ts';
import { createCsrWithKey, publicKeyOf } from './csr.ts';
import { reasonOf } from './failure.ts';
import { rehearse } from './rehearsal.ts';
import { solverFor } from './solvers.ts';

/** A step of an issuance, for those who watch. */
export interface Progress {
  readonly step: 'waiting' | 'claimed' | 'taken-over' | 'order' | 'answered' | 'warning' | 'issued' | 'recorded';
  readonly certificateId: string;
  readonly names: readonly string[];
  /** With `waiting`: who holds the claim, and its end. */
  readonly holder?: string;
  readonly until?: Date;
  readonly orderUrl?: string;
  /** With `answered`: by what the names are to be proved. */
  readonly challengeType?: ChallengeType;
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
async function currentCsr(
  context: Context,
  claim: HeldClaim,
  issuance: Issuance,
  signal: AbortSignal,
): Promise<CsrWithKey> {
  const { bus } = context.view.state;
  const last = issuance.csrs.at(-1);
  if (last?.recipientsPosition === bus.recipientsPosition) return last;
  const csr = await createCsrWithKey(issuance, bus);
  await decide(context, (state) => replaceCsr(state, claim, csr), { signal });
  return csr;
}

/** What an authority's settings ask of each order there. */
function chosen({ preferredChain, ifProfileMissing }: CertificateAuthority) {
  return { ...(preferredChain ? { preferredChain } : {}), ...(ifProfileMissing ? { ifProfileMissing } : {}) };
}

async function runOrder(
  context: Context,
  claim: HeldClaim,
  { config, signal, onProgress }: DriveOptions,
  lost: AbortSignal,
) {
  const stop = AbortSignal.any([signal, lost]);
  const issuance = issuanceOf(context.view.state, claim);
  const { names, reason, challengeType, profile, directory, replaces, orderUrl } = issuance;
  const csr = await currentCsr(context, claim, issuance, stop);
  const publish = async (challenges: readonly PresentedChallenge[]) => {
    const told = challenges.map(({ name, token, keyAuthorization }) => {
      return { name, token, thumbprint: keyAuthorization.slice(token.length + 1) };
    });
    await decide(context, (state, now) => presentChallenges(state, now, claim, told), { signal: stop });
  };
  const warn = (message: string) => {
    context.logger.warn(message, { names });
    onProgress({ step: 'warning', certificateId: claim.certificateId, names, message });
  };
  const solver = await solverFor(config, { names, challengeType, publish, warn }, context.solvers);
  const watched: Solver = {
    challenges: solver.challenges,
    present: (challenges, options) => solver.present(challenges, options),
    ready(challenges, options) {
      onProgress({ step: 'answered', certificateId: claim.certificateId, names, challengeType });
      return solver.ready(challenges, options);
    },
    cleanUp: (challenges, options) => solver.cleanUp(challenges, options),
  };
  const authority = authorityAt(config, directory);
  const certificate = context.view.state.certificate(claim.certificateId);
  if (orderUrl === undefined && authority.staging !== undefined && certificate && needsRehearsal(certificate)) {
    await rehearse(context, { config, authority, issuance, solver, signal: stop });
  }
  const ca = await openAccount(context, authority, { signal: stop });
  const { certificateId } = claim;
  const told = async (obtained: Promise<Obtained>) => {
    const { warnings, ...chain } = await obtained;
    warnings.forEach(warn);
    return chain;
  };
  const order = (resume: string | undefined) =>
    obtain(ca, {
      names,
      csr: Buffer.from(csr.csr, 'base64'),
      acceptKey: (spki) => csrFor(context, claim, spki) !== undefined,
      challenge: challengeType,
      solver: watched,
      isRenewal: reason === 'renewal',
      ...(profile ? { profile } : {}),
      ...chosen(authority),
      ...(replaces ? { replaces } : {}),
      ...(resume ? { resume } : {}),
      async onOrder(url) {
        await decide(context, (state) => recordOrder(state, claim, url), { signal: stop });
        onProgress({ step: 'order', certificateId, names, orderUrl: url });
      },
      signal,
      abandon: lost,
    });
  try {
    return await told(order(orderUrl));
  } catch (error) {
    const isGone = orderUrl && error instanceof AcmeError && error.code === 'CERTBUS_ACME_ORDER_GONE';
    if (!isGone) throw error;
    // What was left behind can no longer be finished; the claim and its key serve a new order.
    return await told(order(undefined));
  }
}

/** The CSR that asks for this public key. */
function csrFor(context: Context, claim: HeldClaim, spki: Uint8Array): CsrWithKey | undefined {
  const { csrs } = issuanceOf(context.view.state, claim);
  return csrs.find((csr) => Buffer.compare(publicKeyOf(csr), spki) === 0);
}

const DAY_MS = 86_400_000;
const GIVE_UP_AFTER_DAYS = 30;

/**
 * Drives a claimed issuance to its end: order, challenges, certificate, event. Whatever ends it early is written down first:
 * an interruption, and an outage once there is an order, releases the claim; a failure closes the issuance; a lost claim leaves all to
 * its new holder.
 */
export async function drive(context: Context, claim: HeldClaim, options: DriveOptions): Promise<IssuedContent> {
  const { names } = issuanceOf(context.view.state, claim);
  const { certificateId } = claim;
  await using keepAlive = keepClaimAlive(context, claim);
  try {
    const { leaf, issuers } = await runOrder(context, claim, options, keepAlive.lost);
    options.onProgress({ step: 'issued', certificateId, names });
    const csr = csrFor(context, claim, spkiOf(leaf));
    if (!csr)
      throw new AcmeError(
        'CERTBUS_ACME_CERTIFICATE_REFUSED',
        `The certificate for ${names.join(', ')} has a key that nobody here made.`,
      );
    const content = readLeaf(leaf, issuers, names);
    await decide(context, (state) => recordObtained(state, claim, { content, csr }));
    options.onProgress({ step: 'recorded', certificateId, names });
    return content;
  } catch (error) {
    throw await giveUp(context, claim, error, { ...options, lost: keepAlive.lost });
  }
}

/**
 * Whether an order that its CA's outage left open waits for the CA: it may be finalized already, so that a second one would be a second
 * certificate. Not where a second CA is to be asked in its place.
 */
function isKept({ view, now }: Context, { certificateId }: HeldClaim, config: Configuration, error: unknown): boolean {
  const certificate = view.state.certificate(certificateId);
  const issuance = certificate?.issuance;
  if (!certificate || issuance?.orderUrl === undefined || !isOutage(error)) return false;
  const { directory, fallbackFor: ownDirectory = directory } = issuance;
  const choice = { ownDirectory, authorities: config.authorities, unavailable: new Set([directory]), now: now() };
  return destinationOf(certificate, choice).directory === directory;
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
    if (signal.aborted || isKept(context, claim, config, error))
      await decide(context, (state) => releaseClaim(state, claim));
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
