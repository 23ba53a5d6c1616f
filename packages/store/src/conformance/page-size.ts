/** The conformance suite on the size of pages. */
import { deepEqual, ok } from 'node:assert/strict';
import { MAX_COMMIT_BYTES, MAX_PAGE_BYTES } from '../log.ts';
import type { Check } from './options.ts';
import { readAll, STREAM } from './stream-texts.ts';

const sizeOf = (entries: readonly { readonly bytes?: Uint8Array | undefined }[]): number =>
  entries.reduce((sum, { bytes }) => sum + (bytes?.length ?? 0), 0);

/** Anyone who can write to a store chooses how large its commits are: a reader that asks for 150 of them takes a megabyte. */
export function checkPageSize(check: Check): void {
  check('gives no page over a megabyte, whatever its limit', async ({ log }) => {
    const sizes = Array.from({ length: 12 }, (_, n) => (n % 4 === 0 ? 1_000 : MAX_COMMIT_BYTES - n));
    for (const [after, size] of sizes.entries()) await log.append(STREAM, after, new Uint8Array(size).fill(65 + after));
    for (const options of [{}, { limit: 1_000 }, { consistent: true }]) {
      const found: number[] = [];
      for (let end = false; !end; ) {
        const page = await log.read(STREAM, found.length, options);
        ok(sizeOf(page.commits) <= MAX_PAGE_BYTES, `a page has ${sizeOf(page.commits)} bytes`);
        ok(page.end || page.commits.length > 0, 'a page that is not the last one holds something');
        found.push(...page.commits.map(({ bytes }) => bytes.length));
        ({ end } = page);
      }
      deepEqual(found, sizes);
    }
  });

  check('shows an operator no more than a megabyte at once', async ({ log }) => {
    if (!log.maintenance) return;
    const count = 7;
    for (let after = 0; after < count; after += 1)
      await log.append(STREAM, after, new Uint8Array(290_000).fill(65 + after));
    const found: unknown[] = [];
    for await (const entries of log.maintenance.inspect(STREAM, 0)) {
      ok(sizeOf(entries.filter((entry) => 'position' in entry)) <= MAX_PAGE_BYTES, 'a step is too large');
      found.push(...entries);
    }
    deepEqual(found.length, count);
    deepEqual((await readAll(log)).length, count);
  });
}
