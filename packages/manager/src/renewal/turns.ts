/** Lets a long read share the event loop. */

/** About five milliseconds of reading certificates. */
const TOGETHER = 200;

/** Gives what is read one by one, and after every so many a turn of the event loop to everything else. */
export async function* inTurns<T>(items: Iterable<T>, together: number = TOGETHER): AsyncGenerator<T, void> {
  let read = 0;
  for (const item of items) {
    yield item;
    read += 1;
    if (read % together === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}
