/** Keeps a claim alive while its order is under way. */
import type { Decide } from '@certbus/store';
import { type Context, decide } from '../context.ts';
import { claimLengthMs } from '../decide/claim-length.ts';
import { extendClaim, type HeldClaim, issuanceOf } from '../decide/issuance.ts';
import { claimLost, ManagerError } from '../errors.ts';
import type { ManagerState } from '../state/state.ts';
import { keepTrying } from './keep-trying.ts';

/** Keeps a claim alive while its order is under way. */
export interface ClaimKeepAlive extends AsyncDisposable {
  /**
   * Aborted once another process is known to hold the claim, with the `ManagerError`, or once the claim is past its end, by a quarter of its
   * length at most, or too short to begin with, with the error because of which it could not be extended.
   */
  readonly lost: AbortSignal;
}

/** What a claim is extended with. */
type KeepAliveContext = Pick<Context, 'bus' | 'view' | 'freshness' | 'now' | 'logger' | 'claimMs'>;

/** How often a claim is looked at, in lengths of it. Its end is noticed so much later at most, and still within the grace. */
const LOOK_EVERY = 1 / 4;
/** A claim of which less is left, in lengths of it, is extended: at the look at its half, even if that look or the last extension came late. */
const EXTENDED_BELOW = 5 / 8;
/** No order is begun with a claim that could not be extended and of which no more is left than this, in lengths of it. */
const TOO_SHORT_TO_BEGIN = 1 / 2;

/** One for all claims: an error that is made has a stack. */
const ENDED = new DOMException('The claim is kept no longer', 'AbortError');

/** How long claims on the certificate of a claim last, milliseconds. */
export function claimMsOf({ view, claimMs }: Pick<Context, 'view' | 'claimMs'>, { certificateId }: HeldClaim): number {
  const certificate = view.state.certificate(certificateId);
  return certificate ? claimLengthMs(view.state, certificate, claimMs) : claimMs;
}

/**
 * Extends a claim at half its length until disposed of, and tries again where the bus fails. All claims of a process that fall due
 * together share a commit. A claim that could not be extended before its end counts as lost: another manager can have it by now. One that is
 * nearly at its half is extended first. After the signal nothing is extended. Rejects `CERTBUS_MANAGER_CLAIM_LOST` where it is not held.
 */
export async function keepClaimAlive(
  context: KeepAliveContext,
  claim: HeldClaim,
  { signal }: { readonly signal: AbortSignal },
): Promise<ClaimKeepAlive> {
  const lost = new AbortController();
  const disposed = new AbortController();
  // What is broken off releases its claim, which an extension that waits for the bus would hold up.
  const undisturbed = AbortSignal.any([lost.signal, disposed.signal, signal]);
  const { logger, now } = context;
  const { certificateId } = claim;
  const claimMs = claimMsOf(context, claim);
  // As the bus has it: this process can have stood still since it wrote that.
  let until = Date.parse(issuanceOf(context.view.state, claim).until);
  let extending: Promise<void> = Promise.resolve();
  let lastError: unknown;

  /** How much is left, in lengths of the claim. */
  const left = () => (until - now().getTime()) / claimMs;
  /** Whether it is to be extended. More than all of it is left where the clock was set back: others go by theirs. */
  const isDue = () => left() < EXTENDED_BELOW || left() > 1;
  const onRetry = (error: unknown) => {
    lastError = error;
    logger.warn('claim not extended yet', { certificateId, why: String(error) });
  };

  /** Extends it where that is due. Where it cannot be, and no more than `lostAt` is left, it is lost. */
  async function extend(within: AbortSignal, { lostAt }: { readonly lostAt: number }): Promise<void> {
    if (within.aborted || !isDue()) return;
    const extension: Decide<ManagerState, Date> = (state, at) => extendClaim(state, at, { ...claim, claimMs });
    const decideOnce = () => decide(context, extension, { signal: within });
    try {
      until = (await keepTrying(decideOnce, { forMs: claimMs / 2, signal: within, onRetry })).getTime();
      lastError = undefined;
    } catch (error) {
      if (within.aborted) return;
      const isTaken = error instanceof ManagerError && error.code === 'CERTBUS_MANAGER_CLAIM_LOST';
      if (isTaken || left() <= lostAt) lost.abort(error);
      else onRetry(error);
    }
  }

  await extend(undisturbed, { lostAt: TOO_SHORT_TO_BEGIN });
  const timer = setInterval(() => {
    // An extension may still be waiting for the bus while the claim runs out.
    if (left() <= 0) lost.abort(lastError ?? claimLost(certificateId));
    extending = extending.then(() => extend(undisturbed, { lostAt: 0 }));
  }, claimMs * LOOK_EVERY);
  return {
    lost: lost.signal,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      disposed.abort(ENDED);
      await extending;
    },
  };
}
