import { expect, test } from 'vitest';
import { warningOf } from './warning.ts';

const SECTION = 'Text.\n\nMeasured 2026-11-29 at commit 0123456789ab on a processor.';
const warning = (changes: number | undefined, { section = SECTION, isShallow = false } = {}) =>
  warningOf('soak', section, { changesSince: () => changes, isShallow });

test('a section is old where what it measures changed, and where its commit is not in the history', () => {
  expect(warning(0)).toBeUndefined();
  expect(warning(3)).toMatch(/"soak" at commit 0123456789ab.*in 3 commits.*test:long -- soak/);
  expect(warning(undefined)).toMatch(/"soak" at commit 0123456789ab, which is not in the history/);
  expect(warning(0, { section: 'Text.' })).toMatch(/does not say at which commit "soak"/);
});

test('nothing is said of what a history without its beginning does not know', () => {
  expect([warning(undefined, { isShallow: true }), warning(0, { isShallow: true })]).toEqual([undefined, undefined]);
  expect(warning(2, { isShallow: true })).toMatch(/in 2 commits/);
});
