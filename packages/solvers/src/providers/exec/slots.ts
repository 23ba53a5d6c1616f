/** How many programs this process runs at once, for all its orders. */
const SLOTS = 8;
const waiting = new Set<() => void>();
let taken = 0;

/** Acts when fewer than eight others do; first come, first served. An abort ends the waiting with the signal's reason. */
export async function inSlot<T>(signal: AbortSignal, act: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  if (taken < SLOTS) taken += 1;
  else {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => {
      waiting.delete(resolve);
      reject(signal.reason);
    };
    waiting.add(resolve);
    signal.addEventListener('abort', leave, { once: true });
    await promise.finally(() => signal.removeEventListener('abort', leave));
  }
  try {
    return await act();
  } finally {
    const [next] = waiting;
    if (next) {
      waiting.delete(next);
      next();
    } else taken -= 1;
  }
}
