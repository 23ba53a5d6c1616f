/** Who presents which value, so that nobody's value goes away with somebody else's clean-up: two orders can share an authorization. */
export interface Holders {
  hold(value: string, holder: object): void;
  /** Lets go, and says whether the value may go away: nobody else holds it, or it is not the holder's but of an earlier run. */
  release(value: string, holder: object): boolean;
}

interface Held {
  readonly since: Map<object, number>;
  readonly released: WeakSet<object>;
}

/** An order that has not cleaned up by then was given up. */
const MAX_MS = 900_000;

/** Creates the register of a process. */
export function createHolders(now: () => Date): Holders {
  const heldBy = new Map<string, Held>();

  function forgetOld(): void {
    const oldest = now().getTime() - MAX_MS;
    for (const [value, { since }] of heldBy) {
      for (const [holder, at] of since) if (at < oldest) since.delete(holder);
      if (since.size === 0) heldBy.delete(value);
    }
  }

  return {
    hold(value, holder) {
      const held = heldBy.get(value) ?? { since: new Map<object, number>(), released: new WeakSet<object>() };
      heldBy.set(value, held);
      held.since.set(holder, now().getTime());
      held.released.delete(holder);
    },
    release(value, holder) {
      forgetOld();
      const held = heldBy.get(value);
      if (!held) return true;
      const { since, released } = held;
      const isKnown = since.delete(holder) || released.has(holder);
      released.add(holder);
      if (isKnown && since.size > 0) return false;
      heldBy.delete(value);
      return true;
    },
  };
}
