/** Tests of when DNS is doubted. */
import { expect, test } from 'vitest';
import { createLossGuard, DOUBTED_COUNT, DOUBTED_WITHIN_MS, doubtsToTell } from './loss-guard.ts';

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
  const guard = guardWith({ lost, ours });
  expect(guard.isDoubted(later(1))).toBe(isDoubted);
  const doubt = guard.doubt(later(1));
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

test('what was seen before the clock was put back is forgotten', () => {
  const guard = guardWith({ lost: DOUBTED_COUNT + 1, ours: 0 });
  expect(guard.isDoubted(later(-60_000))).toBe(true);
  expect(guard.isDoubted(later(-2 * DOUBTED_WITHIN_MS))).toBe(false);
  expect(guard.doubt(later(1))).toBeUndefined();
});

test('DNS is trusted again once a look has found names that are ours', () => {
  expect(createLossGuard().trusts(NOW)).toBe(false);
  const guard = guardWith({ lost: 1, ours: 1 });
  expect(guard.trusts(NOW)).toBe(false);
  guard.note('lost0', undefined, later(2));
  expect(guard.trusts(later(2))).toBe(true);
  expect(guard.trusts(later(DOUBTED_WITHIN_MS + 2))).toBe(false);
});

test('a process begins with what others have found lost within a day, and with nothing where nothing was', () => {
  const lostAt = (ms: number) => {
    const since = later(ms).toISOString();
    const loss = {
      names: ['a.test'],
      loss: 'gone',
      detail: `lost since ${since}`,
      seenAt: since,
      notBefore: since,
    } as const;
    return { since, ...loss };
  };
  const onBus = Array.from({ length: DOUBTED_COUNT }, (_, n) => ({ certificateId: `lost${n}`, lost: lostAt(-n) }));
  const asked: Date[] = [];
  const begin = () =>
    createLossGuard((after) => {
      asked.push(after);
      return onBus;
    });
  const guard = begin();
  guard.note('lost0', 'lost0 does not exist', later(1));
  expect(guard.isDoubted(later(1))).toBe(false);
  guard.note('other', 'other does not exist', later(2));
  expect(guard.doubt(later(2))).toMatchObject({ lost: DOUBTED_COUNT + 1, looked: DOUBTED_COUNT + 1 });
  expect(asked).toEqual([later(1 - DOUBTED_WITHIN_MS)]);
  // The one that was found lost first is the first that does not count any more.
  const oldest = 1 - DOUBTED_COUNT;
  expect(guard.isDoubted(later(oldest + DOUBTED_WITHIN_MS - 1))).toBe(true);
  expect(guard.isDoubted(later(oldest + DOUBTED_WITHIN_MS))).toBe(false);
  const other = begin();
  other.note('lost0', undefined, later(1));
  other.note('other', 'other does not exist', later(2));
  expect(other.isDoubted(later(2))).toBe(false);
});

test('a manager whose resolvers work leaves the alert of another to that one, for a day', () => {
  const failing = guardWith({ lost: DOUBTED_COUNT + 1, ours: 0 });
  const fine = guardWith({ lost: 0, ours: 1 });
  const [raised, ...others] = doubtsToTell(failing, { noted: undefined, isOwn: false, now: later(1) }) ?? [];
  expect([raised, others]).toEqual([expect.objectContaining({ kind: 'dns-doubted', since: later(1) }), []]);
  if (!raised) throw new TypeError('it is raised');
  const { kind, subject, detail } = raised;
  const noted = { alert: kind, subject, detail, since: raised.since.toISOString(), pending: [] };
  const now = later(300_000);
  expect(doubtsToTell(failing, { noted, isOwn: true, now })).toEqual([raised]);
  expect(doubtsToTell(fine, { noted, isOwn: false, now })).toBeUndefined();
  expect(doubtsToTell(fine, { noted, isOwn: true, now })).toEqual([]);
  expect(doubtsToTell(fine, { noted: { ...noted, until: now.toISOString() }, isOwn: false, now })).toEqual([]);
  expect(doubtsToTell(fine, { noted, isOwn: false, now: later(DOUBTED_WITHIN_MS) })).toBeUndefined();
  fine.note('ours', undefined, later(DOUBTED_WITHIN_MS + 1));
  expect(doubtsToTell(fine, { noted, isOwn: false, now: later(DOUBTED_WITHIN_MS + 1) })).toEqual([]);
});
