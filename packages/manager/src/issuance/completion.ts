/** Completes a claimed issuance, and records how it ended. */
import { X509Certificate } from 'node:crypto';
import { AcmeError, DeadlineError, isOutage } from '@certbus/acme';
import { StoreError } from '@certbus/store';
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
import { isOverdue } from '../decide/outage.ts';
import { isBusError, ManagerError } from '../errors.ts';
import { claimMsOf, keepClaimAlive } from './claim-keep-alive.ts';
import { isRefusedByBreaker, isUnsendable, recordedReason } from './failure.ts';
import { keepTrying } from './keep-trying.ts';
import { lastWordsAfter } from './last-words.ts';
import { publicKeyOfLeaf, readLeaf } from './leaf.ts';
import { csrFor, type OrderOptions, runOrder } from './order.ts';

/** Tries the bus until the claim is lost, or for as long as a claim lasts where its extensions go through. */
function persistence(
  context: Context,
  claim: HeldClaim,
  {
    names,
    signal,
    lost,
    onProgress,
  }: Pick<OrderOptions, 'signal' | 'lost' | 'onProgress'> & Pick<IssuedContent, 'names'>,
): OrderOptions['persist'] {
  const { logger } = context;
  const { certificateId } = claim;
  const claimMs = claimMsOf(context, claim);
  const stop = AbortSignal.any([signal, lost]);
  return (work) => {
    let isShown = false;
    const onRetry = (error: unknown) => {
      logger.warn('the bus fails; trying again', { certificateId, why: String(error) });
      const message = `The bus fails, and is tried again while the claim on the certificate lasts: ${String(error)}`;
      if (!isShown) onProgress({ step: 'warning', certificateId, names, message });
      isShown = true;
    };
    return keepTrying(work, { forMs: claimMs, signal: stop, onRetry });
  };
}

/**
 * Completes a claimed issuance: order, challenges, certificate, event. Where the bus fails it is tried again while the claim lasts.
 * Whatever ends the issuance early is recorded first: an interruption, an error of the bus, and an outage once there is an order,
 * release the claim, so that the next run goes on with the order; a failure closes the issuance; a lost claim leaves everything to its
 * new holder.
 */
export async function completeIssuance(
  context: Context,
  claim: HeldClaim,
  options: Omit<OrderOptions, 'lost' | 'last' | 'persist' | 'noteIssued'>,
): Promise<IssuedContent> {
  const { certificateId } = claim;
  const { names } = issuanceOf(context.view.state, claim);
  await using keepAlive = await keepClaimAlive(context, claim, options);
  const { lost } = keepAlive;
  using lastWords = lastWordsAfter(options.signal);
  const { signal: last } = lastWords;
  const persist = persistence(context, claim, { ...options, names, lost });
  let isIssued = false;
  try {
    lost.throwIfAborted();
    const noteIssued = (now: boolean) => {
      isIssued = now;
    };
    const obtained = await runOrder(context, claim, { ...options, lost, last, persist, noteIssued });
    options.onProgress({ step: 'issued', certificateId, names });
    const leaf = new X509Certificate(obtained.leaf);
    const csr = csrFor(context, claim, publicKeyOfLeaf(leaf));
    if (!csr) throw keyNotOurs(names);
    const content = readLeaf(leaf, { issuers: obtained.issuers, names });
    let isRepeated = false;
    await persist(async () => {
      const record = { content, csr, isRepeated };
      isRepeated = true;
      await decide(context, (state) => recordObtained(state, claim, record), { signal: last });
    });
    options.onProgress({ step: 'recorded', certificateId, names });
    return content;
  } catch (error) {
    const reason = await giveUp(context, claim, error, { ...options, lost, last, persist, isIssued });
    options.onProgress({ step: 'ended', certificateId, names });
    throw reason;
  }
}

function keyNotOurs(names: readonly string[]): AcmeError {
  const what = `The certificate for ${names.join(', ')} has a key that was not made here.`;
  return new AcmeError('CERTBUS_ACME_CERTIFICATE_REFUSED', what);
}

/**
 * Whether an order can still go on, so that a second one would be a second certificate: it was made, and has not waited for too long, and no second CA
 * is asked in its place.
 */
function canGoOn(context: Context, claim: HeldClaim, config: Configuration): boolean {
  const { issuance, current } = context.view.state.certificate(claim.certificateId) ?? {};
  if (issuance?.orderUrl === undefined || isOverdue(issuance, current, context.now())) return false;
  return isStillAsked(context, claim, config);
}

/** Whether a CA that has issued a certificate does not hand it out. */
const isWithheld = (error: unknown, isIssued: boolean): boolean =>
  isIssued && error instanceof AcmeError && !isOutage(error) && error.code !== 'CERTBUS_ACME_CERTIFICATE_REFUSED';

/** Whether an order that was never sent is not a failed one: not where a second CA is to be asked, which only a failure lets happen. */
function isUnsent(context: Context, claim: HeldClaim, config: Configuration, error: unknown): boolean {
  const hasOrder = context.view.state.certificate(claim.certificateId)?.issuance?.orderUrl !== undefined;
  return isRefusedByBreaker(error) && !hasOrder && isStillAsked(context, claim, config);
}

/** Whether the CA of an issuance is waited for while it is down, since no second one takes its place. */
function isStillAsked({ view, now }: Context, { certificateId }: HeldClaim, config: Configuration): boolean {
  const certificate = view.state.certificate(certificateId);
  const issuance = certificate?.issuance;
  if (!certificate || !issuance) return false;
  const { directory, fallbackFor: ownDirectory = directory } = issuance;
  const choice = { ownDirectory, authorities: config.authorities, unavailable: new Set([directory]), now: now() };
  return destinationOf(certificate, choice).directory === directory;
}

const isProcessing = (error: unknown): boolean => error instanceof DeadlineError && error.isProcessing;

/** Whether the bus is the reason, and not that what was issued is too large for any bus. */
function isOfTheBus(error: unknown): boolean {
  return isBusError(error) && !(error instanceof StoreError && error.code === 'CERTBUS_STORE_TOO_LARGE');
}

/** Records the end of an issuance that failed; returns the error that the caller sees. */
async function giveUp(
  context: Context,
  claim: HeldClaim,
  error: unknown,
  {
    config,
    signal,
    lost,
    last,
    persist,
    isIssued,
  }: Pick<OrderOptions, 'config' | 'signal' | 'lost' | 'last' | 'persist'> & { readonly isIssued: boolean },
): Promise<unknown> {
  if (error instanceof ManagerError && error.code === 'CERTBUS_MANAGER_CLAIM_LOST') return error;
  // Nobody took over a claim that only lapsed because it could not be extended.
  if (lost.aborted) return isBusError(error) ? error : lost.reason;
  try {
    const { directory, issuance } = context.view.state.certificate(claim.certificateId) ?? {};
    const why = recordedReason(error, config, directory);
    const reason = isUnsendable(error, issuance?.orderUrl) ? { ...why, class: 'permanent-request' as const } : why;
    const goesOn = canGoOn(context, claim, config);
    const isKept = goesOn && (isOutage(error) || isProcessing(error));
    if (signal.aborted || isOfTheBus(error) || isKept || isUnsent(context, claim, config, error))
      await decide(context, (state) => releaseClaim(state, claim), { signal: last });
    // Its claim runs out by itself: what is released is due at once, and the CA would be asked again and again.
    else if (goesOn && isWithheld(error, isIssued)) return error;
    else
      await persist(() => decide(context, (state, now) => recordFailure(state, now, claim, reason), { signal: last }));
  } catch (unrecorded) {
    // The bus is away as well: the claim runs out by itself, and the first error is the one to see.
    context.logger.warn('the end of an issuance could not be recorded', {
      certificateId: claim.certificateId,
      why: String(unrecorded),
    });
  }
  return error;
}
