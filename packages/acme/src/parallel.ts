const PARALLEL = 4;

/**
 * Maps a few at a time (default four), so that an order of a hundred names is no burst; results in the order of the items. Rejects when
 * the first of those under way does.
 */
export async function mapFew<T, R>(
  items: readonly T[],
  map: (item: T) => Promise<R>,
  atOnce: number = PARALLEL,
): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += atOnce) {
    results.push(...(await Promise.all(items.slice(at, at + atOnce).map(map))));
  }
  return results;
}
