/** Requests about many names, a few at a time. */

const PARALLEL = 4;

/** Maps a few at a time, so that an order of a hundred names is not a burst; results in the order of the items. */
export async function mapFew<T, R>(items: readonly T[], map: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += PARALLEL) {
    results.push(...(await Promise.all(items.slice(at, at + PARALLEL).map(map))));
  }
  return results;
}
