/** Keeps a claim alive while its order is under way. */
import { type Context, decide } from '../context.ts';
import { claimLengthMs } from '../decide/claim-length.ts';
import { extendClaim, type HeldClaim, issuanceOf } from '../decide/issuance.ts';
import { claimLost, ManagerError } from '../errors.ts';
import { keepTrying } from './keep-trying.ts';

/** Keeps a claim alive while its order is under way. */
export interface ClaimKeepAlive extends AsyncDisposable {
  /**
   * Aborted once another process is known to hold the claim, with the `ManagerError`, or once the claim is past its end, with the error
   * because of which it could not be extended.
   */
  readonly lost: AbortSignal;
}

/** How long claims on the certificate of a claim last, milliseconds. */
export function claimMsOf({ view, claimMs }: Context, { certificateId }: HeldClaim): number {
  const certificate = view.state.certificate(certificateId);
  return certificate ? claimLengthMs(view.state, certificate, claimMs) : claimMs;
}

/**
 * Extends a claim at half its length until disposed of, and tries again where the bus fails. All claims of a process that fall due
 * together share a commit. A claim that could not be extended before its end counts as lost: another manager can have it by now. One of which
 * less than half is left is extended first, until the signal. Rejects `CERTBUS_MANAGER_CLAIM_LOST` where it is not held.
 */
export async function keepClaimAlive(
  context: Context,
  claim: HeldClaim,
  { signal }: { readonly signal: AbortSignal },
): Promise<ClaimKeepAlive> {
  const lost = new AbortController();
  const disposed = new AbortController();
  const stop = AbortSignal.any([lost.signal, disposed.signal]);
  const { logger, now } = context;
  const { certificateId } = claim;
  const claimMs = claimMsOf(context, claim);
  // As the bus has it: this process can have stood still since it wrote that.
  let until = Date.parse(issuanceOf(context.view.state, claim).until);
  let extending: Promise<void> = Promise.resolve();
  let lastError: unknown;

  const isOver = () => now().getTime() >= until;
  const onRetry = (error: unknown) => {
    lastError = error;
    logger.warn('claim not extended yet', { certificateId, why: String(error) });
  };

  async function extend(within: AbortSignal): Promise<void> {
    const decideOnce = () => decide(context, (state, at) => extendClaim(state, at, { ...claim, claimMs }));
    try {
      until = (await keepTrying(decideOnce, { forMs: claimMs / 2, signal: within, onRetry })).getTime();
      lastError = undefined;
    } catch (error) {
      if (within.aborted) return;
      const isTaken = error instanceof ManagerError && error.code === 'CERTBUS_MANAGER_CLAIM_LOST';
      if (isTaken || isOver()) lost.abort(error);
      else onRetry(error);
    }
  }

  if (until - now().getTime() < claimMs / 2) await extend(AbortSignal.any([stop, signal]));
  const timer = setInterval(() => {
    // An extension may still be waiting for the bus while the claim runs out.
    if (isOver()) lost.abort(lastError ?? claimLost(certificateId));
    extending = extending.then(() => extend(stop));
  }, claimMs / 2);
  return {
    lost: lost.signal,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      disposed.abort();
      await extending;
    },
  };
}
