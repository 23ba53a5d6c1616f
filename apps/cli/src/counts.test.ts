/** Tests of counts in words. */
import { expect, test } from 'vitest';
import { allAre, allOf, many } from './counts.ts';

test.each([
  [0, '0 commits', 'all 0 commits are', 'all 0 commits'],
  [1, '1 commit', 'the only commit is', 'the only commit'],
  [2, '2 commits', 'all 2 commits are', 'all 2 commits'],
  [10_000, '10,000 commits', 'all 10,000 commits are', 'all 10,000 commits'],
])('%i is counted as %s', (count, some, are, all) => {
  expect([many(count, 'commit'), allAre(count, 'commit'), allOf(count, 'commit')]).toEqual([some, are, all]);
});
