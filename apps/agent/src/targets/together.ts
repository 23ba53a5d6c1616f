/** Work for each of many, a few at one time. */

/**
 * Does something for each item, in their order, so many at one time. Rejects with the first failure, once nothing of it is under way any more; none is
 * begun after it.
 */
export async function together<T>(
  items: AsyncIterable<T> | Iterable<T>,
  atOneTime: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  const failures: unknown[] = [];
  const goOn = async () => {
    try {
      for (;;) {
        const next = await iterator.next();
        // Another one can have failed while this one waited for an item.
        if (next.done || failures.length > 0) return;
        await work(next.value);
      }
    } catch (error) {
      failures.push(error);
    }
  };
  await Promise.all(Array.from({ length: atOneTime }, goOn));
  if (failures.length === 0) return;
  await iterator.return?.();
  throw failures[0];
}
