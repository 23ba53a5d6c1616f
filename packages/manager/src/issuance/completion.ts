/** Completes a claimed issuance, and records how it ended. */
import { AcmeError, isOutage } from '@certbus/acme';
import type { Configuration } from '../configuration/configuration.ts';
import { type Context, decide } from '../context.ts';
import { destinationOf } from '../decide/destination.ts';
import {
  type HeldClaim,
  type IssuedContent,
  issuanceOf,
  recordFailure,
  recordObtained,
  releaseClaim,
} from '../decide/issuance.ts';
import { claimLost, ManagerError } from '../errors.ts';
import { keepClaimAlive } from './claim-keep-alive.ts';
import { reasonOf } from './failure.ts';
import { publicKeyOfLeaf, readLeaf } from './leaf.ts';
import { csrFor, type OrderOptions, runOrder } from './order.ts';

const DAY_MS = 86_400_000;
const GIVE_UP_AFTER_DAYS = 30;

/**
 * Completes a claimed issuance: order, challenges, certificate, event. Whatever ends it early is recorded first: an interruption, and an
 * outage once there is an order, releases the claim; a failure closes the issuance; a lost claim leaves everything to its new holder.
 */
export async function completeIssuance(
  context: Context,
  claim: HeldClaim,
  options: Omit<OrderOptions, 'lost'>,
): Promise<IssuedContent> {
  const { certificateId } = claim;
  const { names } = issuanceOf(context.view.state, claim);
  await using keepAlive = keepClaimAlive(context, claim);
  const { lost } = keepAlive;
  try {
    const { leaf, issuers } = await runOrder(context, claim, { ...options, lost });
    options.onProgress({ step: 'issued', certificateId, names });
    const csr = csrFor(context, claim, publicKeyOfLeaf(leaf));
    if (!csr) throw keyNotOurs(names);
    const content = readLeaf(leaf, { issuers, names });
    await decide(context, (state) => recordObtained(state, claim, { content, csr }));
    options.onProgress({ step: 'recorded', certificateId, names });
    return content;
  } catch (error) {
    throw await giveUp(context, claim, error, { ...options, lost });
  }
}

function keyNotOurs(names: readonly string[]): AcmeError {
  const what = `The certificate for ${names.join(', ')} has a key that nobody here made.`;
  return new AcmeError('CERTBUS_ACME_CERTIFICATE_REFUSED', what);
}

/**
 * Whether an order that its CA's outage left open waits for the CA: it may be finalized already, so that a second one would be a second
 * certificate. Not where a second CA is asked in its place.
 */
function isKept({ view, now }: Context, { certificateId }: HeldClaim, config: Configuration, error: unknown): boolean {
  const certificate = view.state.certificate(certificateId);
  const issuance = certificate?.issuance;
  if (!certificate || issuance?.orderUrl === undefined || !isOutage(error)) return false;
  const { directory, fallbackFor: ownDirectory = directory } = issuance;
  const choice = { ownDirectory, authorities: config.authorities, unavailable: new Set([directory]), now: now() };
  return destinationOf(certificate, choice).directory === directory;
}

/** Records the end of an issuance that failed; returns the error that the caller sees. */
async function giveUp(
  context: Context,
  claim: HeldClaim,
  error: unknown,
  { config, signal, lost }: Pick<OrderOptions, 'config' | 'signal' | 'lost'>,
): Promise<unknown> {
  if (error instanceof ManagerError && error.code === 'CERTBUS_MANAGER_CLAIM_LOST') return error;
  if (lost.aborted) return claimLost(claim.certificateId);
  try {
    const reason = { ...reasonOf(error), giveUpAfterMs: (config.giveUpAfterDays ?? GIVE_UP_AFTER_DAYS) * DAY_MS };
    if (signal.aborted || isKept(context, claim, config, error))
      await decide(context, (state) => releaseClaim(state, claim));
    else await decide(context, (state, now) => recordFailure(state, now, claim, reason));
  } catch (unrecorded) {
    // The bus is away as well: the claim runs out by itself, and the first error is the one to see.
    context.logger.warn('the end of an issuance could not be recorded', {
      certificateId: claim.certificateId,
      why: String(unrecorded),
    });
  }
  return error;
}
