/** Work on one name, one piece after the other. */
const tails = new Map<string, Promise<unknown>>();

/** The promise's outcome, or the signal's reason where that comes first. */
export async function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * Acts when everybody in this process who came before with one of the keys is done. Who gives several keys waits for all of them at
 * once, so nobody waits in a circle. An abort ends the waiting; who is behind goes on waiting for those before.
 */
export async function inTurn<T>(keys: readonly string[], signal: AbortSignal, act: () => Promise<T>): Promise<T> {
  const before = Promise.allSettled(keys.map((key) => tails.get(key) ?? Promise.resolve()));
  const { promise: done, resolve } = Promise.withResolvers<void>();
  const tail = Promise.allSettled([before, done]);
  for (const key of keys) tails.set(key, tail);
  try {
    await orAbort(before, signal);
    return await act();
  } finally {
    resolve();
    void tail.then(() => {
      for (const key of keys) if (tails.get(key) === tail) tails.delete(key);
    });
  }
}
