/** A wait that a signal ends. */
import { setTimeout as wait } from 'node:timers/promises';

/** Waits, unless the signal ends it; then rejects with its reason. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await wait(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
