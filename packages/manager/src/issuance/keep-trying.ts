/** Keeps trying what an issuance writes to the bus while its claim lasts. */
import { isBusError } from '../errors.ts';
import { sleep } from './sleep.ts';

/** How long the bus is tried. */
export interface Patience {
  /** Sum of all pauses, milliseconds: the length of a claim. */
  readonly forMs: number;
  /** Ends the trying. */
  readonly signal: AbortSignal;
  /** Takes each failure that is answered with another try. */
  readonly onRetry: (error: unknown) => void;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

/**
 * Does what needs the bus, and does it again where the bus fails: that says nothing about the certificate. MUST be given work that is
 * safe to repeat, since a write whose outcome is unknown can be there already. Rejects with the last error, the signal's reason, or at
 * once with an error that is not the bus's.
 */
export async function keepTrying<T>(work: () => Promise<T>, { forMs, signal, onRetry }: Patience): Promise<T> {
  let leftMs = forMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    try {
      return await work();
    } catch (error) {
      if (!isBusError(error) || signal.aborted || leftMs <= 0) throw error;
      onRetry(error);
    }
    const ms = Math.min(pauseMs, leftMs);
    leftMs -= ms;
    await sleep(ms, signal);
  }
}
