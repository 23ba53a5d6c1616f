import type { HistoryError } from '@certbus/events';
import type { Replica } from '@certbus/replica';
import { type Bus, follow, type StoreError } from '@certbus/store';

/** What the follower tells. */
export interface FollowerListener {
  /** The bus answered. */
  contact(at: { readonly live: boolean }): void;
  /** The replica may have changed, by this process or another. */
  moved(): void;
  /** Another process of this machine follows the bus; this one reads what it writes. */
  watching(): void;
  trouble(error: StoreError | HistoryError | Error): void;
}

export interface FollowerOptions {
  readonly replica: Replica;
  /** Opens the bus; called again after every failure. */
  readonly openBus: () => Promise<Bus>;
  readonly intervalMs: number;
  readonly signal: AbortSignal;
  readonly listener: FollowerListener;
}

const WATCH_EVERY_MS = 100;
const TAKE_OVER_EVERY_MS = 1_000;
const FIRST_PAUSE_MS = 250;

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const stop = () => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
  });
}

/** Reads along while another process advances, until it stops doing so. */
async function watch({ replica, signal, listener }: FollowerOptions): Promise<void> {
  listener.watching();
  let version = replica.version();
  let askAgain = performance.now() + TAKE_OVER_EVERY_MS;
  while (!signal.aborted) {
    const now = replica.version();
    if (now !== version) listener.moved();
    version = now;
    if (performance.now() >= askAgain) {
      if (await replica.tryAdvance()) return listener.moved();
      askAgain = performance.now() + TAKE_OVER_EVERY_MS;
    }
    await sleep(WATCH_EVERY_MS, signal);
  }
}

/** Follows the bus and takes every batch into the replica, until the signal or an error that only opening anew can mend. */
async function advance({ replica, openBus, intervalMs, signal, listener }: FollowerOptions): Promise<void> {
  const bus = await openBus();
  try {
    const onTrouble = (error: StoreError | HistoryError) => listener.trouble(error);
    for await (const { commits, checkpoint, live } of follow(bus, replica.checkpoint(), {
      intervalMs,
      onTrouble,
      signal,
    })) {
      if (commits.length > 0) {
        await replica.apply(commits, checkpoint);
        listener.moved();
      }
      listener.contact({ live });
    }
  } finally {
    await bus.close();
  }
}

/** Keeps a replica up to date until the signal. Never rejects: whatever goes wrong is told and tried again. */
export async function keepUp(options: FollowerOptions): Promise<void> {
  const { replica, intervalMs, signal, listener } = options;
  for (let failures = 0; !signal.aborted; ) {
    const began = performance.now();
    try {
      if (await replica.tryAdvance()) await advance(options);
      else await watch(options);
    } catch (error) {
      if (signal.aborted) return;
      listener.trouble(error instanceof Error ? error : new Error(String(error)));
    }
    failures = performance.now() - began > intervalMs ? 0 : failures + 1;
    await sleep(Math.min(intervalMs, FIRST_PAUSE_MS * 2 ** failures) * (0.9 + Math.random() / 5), signal);
  }
}
