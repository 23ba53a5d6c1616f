/** A bounded cache in which what was asked for once displaces nothing that is in use. */

/** What a cache holds. */
export interface Cached {
  /** Whether it was used after it came in, or since the cache last considered to evict it. Who uses it without `get` sets this. */
  isUsed: boolean;
}

/** A bounded map. */
export interface BoundedCache<Value extends Cached> {
  /** Counts as a use. */
  get(key: string): Value | undefined;
  /** What is evicted for it, or replaced by it, is disposed of. */
  set(key: string, value: Value): void;
  delete(key: string): void;
  clear(): void;
  /** What was used more than once first, then the newest first. */
  values(): Value[];
  readonly size: number;
}

/** The share of those that were used once only. */
const PROBATION = 0.1;

/**
 * Makes an empty cache of `size` entries: S3-FIFO (Yang et al., SOSP 2023) without its ghosts. Entries come in on probation, and stay
 * behind it only when they were used again: so a flood of keys that are asked for once evicts no others. A hit moves nothing.
 */
export function createBoundedCache<Value extends Cached>(
  size: number,
  dispose: (value: Value) => void = () => {},
): BoundedCache<Value> {
  const room = Math.max(1, Math.floor(size) || 1);
  const onProbation = new Map<string, Value>();
  const kept = new Map<string, Value>();
  const probationSize = Math.max(1, Math.floor(room * PROBATION));

  /** Evicts one entry, or gives one that was used another round. */
  function evictFrom(queue: Map<string, Value>): void {
    for (const [key, value] of queue) {
      queue.delete(key);
      if (value.isUsed) {
        value.isUsed = false;
        kept.set(key, value);
      } else {
        dispose(value);
      }
      return;
    }
  }

  function remove(key: string): void {
    const value = onProbation.get(key) ?? kept.get(key);
    if (value === undefined) return;
    onProbation.delete(key);
    kept.delete(key);
    dispose(value);
  }

  return {
    get(key) {
      const value = onProbation.get(key) ?? kept.get(key);
      if (value !== undefined) value.isUsed = true;
      return value;
    },
    set(key, value) {
      remove(key);
      while (onProbation.size + kept.size >= room)
        evictFrom(onProbation.size >= probationSize || kept.size === 0 ? onProbation : kept);
      onProbation.set(key, value);
    },
    delete: remove,
    clear() {
      const all = [...onProbation.values(), ...kept.values()];
      onProbation.clear();
      kept.clear();
      for (const value of all) dispose(value);
    },
    values() {
      const newest = [...onProbation.values()].toReversed();
      const again = newest.filter(({ isUsed }) => isUsed);
      return [...[...kept.values()].toReversed(), ...again, ...newest.filter(({ isUsed }) => !isUsed)];
    },
    get size() {
      return onProbation.size + kept.size;
    },
  };
}
