/** Cuts pages to the size that the port allows. */
import { MAX_PAGE_BYTES, type StoredCommit } from './log.ts';

/** Commits from the first on, as many as a page can have; at least one, whatever its size. */
export function cutToPage(commits: readonly StoredCommit[]): readonly StoredCommit[] {
  let size = 0;
  const beyond = commits.findIndex(({ bytes }) => {
    size += bytes.length;
    return size > MAX_PAGE_BYTES;
  });
  return beyond < 0 ? commits : commits.slice(0, Math.max(1, beyond));
}

/** Takes what comes, one after the other, as long as a page has room for its bytes; the first always. What does not fit is not taken. */
export function* withinPage<T extends { readonly bytes?: Uint8Array | undefined }>(found: Iterable<T>): Iterable<T> {
  let size = 0;
  for (const each of found) {
    const length = each.bytes?.length ?? 0;
    if (size > 0 && size + length > MAX_PAGE_BYTES) return;
    size += length;
    yield each;
  }
}
