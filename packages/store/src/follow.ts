/** Follows a bus: delivers each commit once, in order. */
import type { Checkpoint, Commit, HistoryError } from '@certbus/events/history';
import type { Bus } from './bus-port.ts';
import { StoreError } from './errors.ts';
import { sleep } from './sleep.ts';

/** The result of one look at the bus. */
export interface Batch {
  /** In order, each exactly once; empty when nothing was new. */
  readonly commits: readonly Commit[];
  readonly checkpoint: Checkpoint;
  /** True when the follower has reached what was then the end of the bus. */
  readonly live: boolean;
}

export interface FollowOptions {
  /** Time between two looks at a quiet bus, jittered by a tenth; default 10,000. */
  readonly intervalMs?: number;
  /** The shortest time between two looks that {@link FollowOptions.intervalMs} can ask for; default 100. */
  readonly floorMs?: number;
  /** The longest; default 3,600,000. */
  readonly ceilingMs?: number;
  /** Time between two strong re-reads of one's own position; default one hour. */
  readonly confirmEveryMs?: number;
  /** Called with an outage (`StoreError`) and with refused history (`HistoryError`); following goes on by itself. */
  readonly onError?: (error: StoreError | HistoryError) => void;
  /**
   * Asked when history is refused whether the bus was restored to another line: resolves with the checkpoint to go on from, once
   * the reader's state is that behind it, or `undefined`. Default: it was not.
   */
  readonly onRefused?: (error: HistoryError) => Promise<Checkpoint | undefined>;
  readonly signal: AbortSignal;
}

/** Errors that no later read can repair. */
const ENDING = new Set(['CERTBUS_STORE_CLOSED', 'CERTBUS_STORE_GAP', 'CERTBUS_STORE_TRIMMED']);
const FIRST_PAUSE_MS = 250;

const jittered = (ms: number): number => ms * (0.9 + Math.random() / 5);

/**
 * Follows a bus from a checkpoint: an endless iterable of batches, which ends by an abort, with the signal's reason.
 *
 * Never delivers a commit twice, out of order or unverified. An outage, throttling or refused history is passed to
 * `onError` and tried again with growing pauses, up to the interval. A gap that a strong read shows as well, and commits that
 * are in an archive only, end it with `CERTBUS_STORE_GAP` and `CERTBUS_STORE_TRIMMED`.
 */
export async function* follow(bus: Bus, from: Checkpoint, options: FollowOptions): AsyncGenerator<Batch, never> {
  const { intervalMs = 10_000, floorMs = 100, ceilingMs = 3_600_000, confirmEveryMs = 3_600_000, signal } = options;
  const { onError = () => {}, onRefused } = options;
  const interval = Math.min(Math.max(intervalMs, floorMs), ceilingMs);
  let checkpoint = from;
  let confirmAt = 0;
  let failures = 0;
  for (;;) {
    signal.throwIfAborted();
    // Asked before the read: what is written while a page is used is a change behind it.
    const version = bus.version();
    try {
      if (performance.now() >= confirmAt) {
        await bus.confirm(checkpoint, { signal });
        confirmAt = performance.now() + confirmEveryMs;
      }
      const page = await bus.read(checkpoint, { signal });
      checkpoint = page.checkpoint;
      yield { commits: page.commits, checkpoint, live: page.end && !page.refused };
      if (page.refused) throw page.refused;
      failures = 0;
      if (!page.end) continue;
    } catch (error) {
      signal.throwIfAborted();
      if (!isPassing(error)) throw error;
      onError(error);
      const restored = error instanceof StoreError ? undefined : await onRefused?.(error);
      if (restored) {
        checkpoint = restored;
        continue;
      }
      confirmAt = 0;
      // What was refused is looked at no sooner because somebody keeps writing to the store.
      await sleep(jittered(Math.min(interval, FIRST_PAUSE_MS * 2 ** failures)), signal);
      failures += 1;
      continue;
    }
    await bus.whenWritten(version, { withinMs: jittered(interval), signal });
  }
}

/** Whether following goes on after an error. */
function isPassing(error: unknown): error is StoreError | HistoryError {
  if (error instanceof StoreError) return !ENDING.has(error.code);
  return error instanceof Error && error.name === 'HistoryError';
}
