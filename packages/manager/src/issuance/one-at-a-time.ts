/** Keeps one process from working on two orders for the same names at once: its claim is the same for both, so that none would wait for the other. */
import { nameSetKey } from '@certbus/events';
import type { Context } from '../context.ts';

/** Work that failed. */
interface Failure {
  readonly request: string | undefined;
  readonly error: unknown;
}

/** The last work for each set of names that is under way, with all that was before it. */
const underWay = new WeakMap<Context['connections'], Map<string, Promise<Failure | undefined>>>();

/** Resolves with the promise; rejects with the signal's reason where that comes first. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', stop));
}

/** What is done for a set of names. */
interface Subject {
  readonly names: readonly string[];
  readonly signal: AbortSignal;
  /**
   * What is asked for. One who asked for the same meanwhile has the failure of what it waited for: CAs count failures, and it would fail again. Default:
   * nobody has it.
   */
  readonly request?: string;
}

/**
 * Does something for a set of names once all that this process does for the same names is over, and says whether it had to wait for that. Rejects as
 * the work does, as the work that it waited for did where that was asked for the same, and with the signal's reason.
 */
export async function oneAtATime<T>(
  { connections }: Pick<Context, 'connections'>,
  { names, signal, request }: Subject,
  work: (hasWaited: boolean) => Promise<T>,
): Promise<T> {
  const all = underWay.get(connections) ?? new Map<string, Promise<Failure | undefined>>();
  underWay.set(connections, all);
  const key = nameSetKey(names);
  const before = all.get(key);
  const ended = Promise.withResolvers<Failure | undefined>();
  // One who gives up waiting leaves what was before it under way.
  const last = Promise.all([before, ended.promise]).then(([, failure]) => {
    if (all.get(key) === last) all.delete(key);
    return failure;
  });
  all.set(key, last);
  /** How this ends for those who wait for it; where it has only waited, as for itself. */
  let end: Failure | Promise<Failure | undefined> | undefined = before;
  try {
    const failure = before && (await unlessAborted(before, signal));
    if (failure && request !== undefined && failure.request === request) throw failure.error;
    end = undefined;
    return await work(before !== undefined).catch((error: unknown) => {
      if (!signal.aborted) end = { request, error };
      throw error;
    });
  } finally {
    ended.resolve(end);
  }
}
