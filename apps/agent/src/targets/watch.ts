/** Looks from time to time whether a balancer was restarted, or came back. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Watcher } from './target.ts';

/** How a balancer is looked at. */
export interface LookOptions {
  readonly everyMs: number;
  /** Asks what tells its memory from that before a restart. Rejects where the balancer is away. */
  look(): Promise<string>;
  /** Whether a memory with this mark may lack what the target gave last. */
  isLost(mark: string): boolean;
}

/** Looks at a balancer until the signal. While it is away there is nothing to report. */
export async function watchBalancer(
  { everyMs, look, isLost }: LookOptions,
  { onLost, onBack }: Watcher,
  signal: AbortSignal,
): Promise<void> {
  let isFirst = true;
  let last: string | undefined;
  while (!signal.aborted) {
    await sleep(everyMs, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    const mark = await look().catch(() => undefined);
    if (mark !== undefined) {
      if (isLost(mark)) onLost();
      const isOther = last === undefined || (mark !== last && isLost(mark));
      if (isOther && !isFirst) onBack();
    }
    [isFirst, last] = [false, mark];
  }
}
