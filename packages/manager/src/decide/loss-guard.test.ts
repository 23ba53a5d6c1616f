/** Tests of when DNS is doubted. */
import { expect, test } from 'vitest';
import { createLossGuard, DOUBTED_COUNT, DOUBTED_WITHIN_MS } from './loss-guard.ts';

const NOW = new Date('2026-11-24T03:00:00Z');
const later = (ms: number) => new Date(NOW.getTime() + ms);

/** A guard that has seen so many certificates lost, and so many that are ours. */
function guardWith({ lost, ours }: { readonly lost: number; readonly ours: number }) {
  const guard = createLossGuard();
  for (let n = 0; n < ours; n += 1) guard.note(`ours${n}`, undefined, NOW);
  for (let n = 0; n < lost; n += 1) guard.note(`lost${n}`, `lost${n} does not exist`, later(1));
  return guard;
}

test.each([
  [DOUBTED_COUNT, 0, false],
  [DOUBTED_COUNT + 1, 0, true],
  [DOUBTED_COUNT + 1, 9 * DOUBTED_COUNT, true],
  [DOUBTED_COUNT + 1, 9 * DOUBTED_COUNT + 9, false],
  [1_000, 10_000, false],
])('where %i lost their names and %i did not, DNS is doubted: %s', (lost, ours, isDoubted) => {
  const doubt = guardWith({ lost, ours }).doubt(later(1));
  expect(doubt).toEqual(
    isDoubted ? { lost, looked: lost + ours, since: later(1), detail: `lost${lost - 1} does not exist` } : undefined,
  );
});

test('a certificate counts once, as the last look found it, and for a day', () => {
  const guard = guardWith({ lost: DOUBTED_COUNT, ours: 0 });
  guard.note('lost0', 'lost0 does not exist', later(2));
  expect(guard.doubt(later(2))).toBeUndefined();
  guard.note('other', 'other does not exist', later(3));
  expect(guard.doubt(later(3))).toMatchObject({ lost: DOUBTED_COUNT + 1 });
  guard.note('lost1', undefined, later(4));
  expect(guard.doubt(later(4))).toBeUndefined();
  guard.note('lost1', 'lost1 does not exist', later(5));
  expect(guard.doubt(later(DOUBTED_WITHIN_MS))).toMatchObject({ lost: DOUBTED_COUNT + 1 });
  expect(guard.doubt(later(DOUBTED_WITHIN_MS + 1))).toBeUndefined();
});

test('DNS is trusted again once a look has found names that are ours', () => {
  expect(createLossGuard().trusts(NOW)).toBe(false);
  const guard = guardWith({ lost: 1, ours: 1 });
  expect(guard.trusts(NOW)).toBe(false);
  guard.note('lost0', undefined, later(2));
  expect(guard.trusts(later(2))).toBe(true);
  expect(guard.trusts(later(DOUBTED_WITHIN_MS + 2))).toBe(false);
});
