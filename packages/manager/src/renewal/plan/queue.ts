/** A queue for virtual time: what comes first is taken first. */

/** A queue that gives the least first. */
export interface LeastFirst<T> {
  /** The rank of what comes next; `Infinity` where there is nothing. */
  readonly least: number;
  push(rank: number, item: T): void;
  pop(): T | undefined;
}

/** Makes an empty queue: a binary heap. */
export function createLeastFirst<T>(): LeastFirst<T> {
  const heap: { readonly rank: number; readonly item: T }[] = [];
  const rankAt = (index: number): number => heap[index]?.rank ?? Number.POSITIVE_INFINITY;

  function swap(one: number, other: number): void {
    const [first, second] = [heap[one], heap[other]];
    if (first && second) [heap[one], heap[other]] = [second, first];
  }

  return {
    get least() {
      return rankAt(0);
    },
    push(rank, item) {
      heap.push({ rank, item });
      for (let at = heap.length - 1; at > 0; ) {
        const parent = (at - 1) >> 1;
        if (rankAt(parent) <= rankAt(at)) return;
        swap(at, parent);
        at = parent;
      }
    },
    pop() {
      const [first] = heap;
      const last = heap.pop();
      if (!first || !last || heap.length === 0) return first?.item;
      heap[0] = last;
      for (let at = 0; ; ) {
        const child = rankAt(2 * at + 1) <= rankAt(2 * at + 2) ? 2 * at + 1 : 2 * at + 2;
        if (rankAt(child) >= rankAt(at)) return first.item;
        swap(at, child);
        at = child;
      }
    },
  };
}
