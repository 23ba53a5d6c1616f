import type { Configuration } from './configuration.ts';
import type { Context } from './context.ts';
import { ManagerError } from './errors.ts';
import { type RunOptions, renew } from './issue.ts';

/** What became of one due certificate. */
export interface RenewalOutcome {
  readonly certificateId: string;
  readonly names: readonly string[];
  readonly outcome: 'renewed' | 'claimed-elsewhere' | 'failed';
  readonly serialNumber?: string | undefined;
  /** With `failed`. */
  readonly error?: unknown;
}

const PARALLEL = 5;

const isClaimedElsewhere = (error: unknown): boolean =>
  error instanceof ManagerError &&
  (error.code === 'CERTBUS_MANAGER_CLAIMED_ELSEWHERE' || error.code === 'CERTBUS_MANAGER_CLAIM_LOST');

/**
 * Renews what is due, most urgent first, a few at a time. One that fails holds no other up: its error is in its outcome. Only
 * an abort rejects, with its reason, after every claim was released.
 */
export async function renewDue(
  context: Context,
  {
    limit = 1_000,
    at,
    ...options
  }: RunOptions & { readonly config: Configuration; readonly limit?: number; readonly at?: Date },
): Promise<readonly RenewalOutcome[]> {
  const due = [...context.view.state.due(at ?? context.now(), limit)];
  const outcomes: RenewalOutcome[] = [];
  const worker = async () => {
    for (let next = due.shift(); next; next = due.shift()) {
      if (options.signal.aborted) return;
      const { certificateId, names } = next;
      try {
        const { serialNumber } = await renew(context, certificateId, { ...options, wait: false });
        outcomes.push({ certificateId, names, outcome: 'renewed', serialNumber });
      } catch (error) {
        const outcome = isClaimedElsewhere(error) ? 'claimed-elsewhere' : 'failed';
        outcomes.push({ certificateId, names, outcome, ...(outcome === 'failed' ? { error } : {}) });
      }
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  options.signal.throwIfAborted();
  return outcomes;
}
