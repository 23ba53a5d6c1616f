/** Keeps a claim alive while its order is under way. */
import { type Context, decide } from '../context.ts';
import { extendClaim, type HeldClaim } from '../decide/issuance.ts';
import { claimLost, ManagerError } from '../errors.ts';

/** Keeps a claim alive while its order is under way. */
export interface ClaimKeepAlive extends AsyncDisposable {
  /** Aborted, with the `ManagerError`, once another process is known to hold the claim, or it is past its end. */
  readonly lost: AbortSignal;
}

/**
 * Renews a claim at half its length until disposed of. All claims of a process that fall due together share a commit. A
 * claim that could not be renewed before its end counts as lost: another manager can have it by now.
 */
export function keepClaimAlive(context: Context, claim: HeldClaim): ClaimKeepAlive {
  const lost = new AbortController();
  const { claimMs } = context;
  let until = context.now().getTime() + claimMs;
  let renewing: Promise<void> = Promise.resolve();

  async function renew(): Promise<void> {
    try {
      until = (await decide(context, (state, now) => extendClaim(state, now, { ...claim, claimMs }))).getTime();
    } catch (error) {
      const isOver = context.now().getTime() >= until;
      if (isOver || (error instanceof ManagerError && error.code === 'CERTBUS_MANAGER_CLAIM_LOST')) lost.abort(error);
      else context.logger.warn('claim not renewed yet', { certificateId: claim.certificateId });
    }
  }

  const timer = setInterval(() => {
    // A renewal may still be waiting for the bus while the claim runs out.
    if (context.now().getTime() >= until) lost.abort(claimLost(claim.certificateId));
    renewing = renewing.then(renew);
  }, claimMs / 2);
  return {
    lost: lost.signal,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await renewing;
    },
  };
}
