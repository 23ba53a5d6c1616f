/** Keeps one process from working on two orders for the same names at once: its claim is the same for both, so that none would wait for the other. */
import { nameSetKey } from '@certbus/events';
import type { Context } from '../context.ts';

/** The last work for each set of names that is under way, with all that was before it. */
const underWay = new WeakMap<Context['connections'], Map<string, Promise<unknown>>>();

/** Resolves with the promise; rejects with the signal's reason where that comes first. */
function unlessAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<unknown> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', stop));
}

/**
 * Does something for a set of names once all that this process does for the same names is over, and says whether it had to wait for that. Rejects as
 * the work does, and with the signal's reason.
 */
export async function oneAtATime<T>(
  { connections }: Pick<Context, 'connections'>,
  { names, signal }: { readonly names: readonly string[]; readonly signal: AbortSignal },
  work: (hasWaited: boolean) => Promise<T>,
): Promise<T> {
  const all = underWay.get(connections) ?? new Map<string, Promise<unknown>>();
  underWay.set(connections, all);
  const key = nameSetKey(names);
  const before = all.get(key);
  const done = Promise.withResolvers<void>();
  // One who gives up waiting leaves what was before it under way.
  const last = Promise.all([before, done.promise]).then(() => {
    if (all.get(key) === last) all.delete(key);
  });
  all.set(key, last);
  try {
    if (before) await unlessAborted(before, signal);
    return await work(before !== undefined);
  } finally {
    done.resolve();
  }
}
