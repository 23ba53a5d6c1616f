/** Cuts pages to the size that the port allows. */
import { MAX_PAGE_BYTES } from './log.ts';

const sizeOf = (found: object): number =>
  'bytes' in found && found.bytes instanceof Uint8Array ? found.bytes.length : 0;

/**
 * Takes commits or entries, one after the other, as long as a page has room for their bytes; the first always. The one that does not fit
 * is the last that is asked for.
 */
export function* withinPage<T extends object>(found: Iterable<T>, maxBytes: number = MAX_PAGE_BYTES): Iterable<T> {
  let size = 0;
  for (const each of found) {
    const length = sizeOf(each);
    if (size > 0 && size + length > maxBytes) return;
    size += length;
    yield each;
  }
}
