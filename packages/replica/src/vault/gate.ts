/** Lets a few in at once. */

/** Runs work, at most so much of it at once; what came first begins first. */
export type Gate = <T>(work: () => Promise<T>) => Promise<T>;

/** Makes a gate with so many places. */
export function createGate(places: number): Gate {
  const waiting: (() => void)[] = [];
  let free = places;
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
}
