/** Tests that the questions about a large fleet are spread, and that nothing of a small one waits. */
import { BEGINNING } from '@certbus/events/history';
import type { PlacedLeaf } from '@certbus/replica';
import { expect, test } from 'vitest';
import { openRenewalInfoNotes } from './renewal-info-notes.ts';
import type { RenewalInfoNotes } from './renewal-info-schedule.ts';
import { isFirstQuestion, noteLeaves } from './renewal-info-stretch.ts';

const DIRECTORY = 'https://ca.test/dir';
const HOUR_MS = 3_600_000;
const NOW = Date.parse('2026-11-24T09:00:00Z');

/** Certificates of which each changed last at a position of its own. */
function fleetOf(count: number) {
  const placed = (position: number): PlacedLeaf => ({
    certificateId: `certificate${position}`,
    position,
    leaf: { leafHash: `leaf at ${position}`, directory: DIRECTORY },
  });
  const upTo = (length: number) => Array.from({ length }, (_, n) => n);
  return {
    checkpoint: () => ({ ...BEGINNING, position: count }),
    leavesAfter: (position: number, limit: number) =>
      upTo(Math.min(limit, count - position)).map((n) => placed(position + 1 + n)),
    leavesUpTo: (position: number, limit: number) => upTo(Math.min(limit, position)).map((n) => placed(position - n)),
  };
}

/** Runs, a minute apart, until all of a fleet is noted; how many it took, and who begins at which part of it. */
async function noteAll(notes: RenewalInfoNotes, count: number, startsAt: number) {
  // Numbers that differ enough, the same in every run of this test.
  let drawn = startsAt;
  const random = () => {
    const number = drawn;
    drawn = (drawn + 0.618_033_988_749_895) % 1;
    return number;
  };
  const view = { replica: fleetOf(count) };
  for (let runs = 1; ; runs += 1) {
    const now = () => new Date(NOW + runs * 60_000);
    const { isComplete } = await noteLeaves({ view, random, now }, notes);
    if (isComplete) return runs;
  }
}

/** How many are to be asked about at once, and in each hour from now on. */
function countsOf(notes: RenewalInfoNotes): number[] {
  const counts = Array.from({ length: 8 }, () => 0);
  for (const { askAt } of notes.open(DIRECTORY, new Date(NOW + 7 * HOUR_MS))) {
    const hour = Math.max(0, Math.floor((askAt.getTime() - NOW) / HOUR_MS) + 1);
    counts[hour] = (counts[hour] ?? 0) + 1;
  }
  return counts;
}

test('a CA is asked about all of a small fleet at once', async () => {
  using notes = openRenewalInfoNotes(':memory:');
  expect(await noteAll(notes, 20_000, 0.3)).toBe(1);
  expect(countsOf(notes)).toEqual([20_000, 0, 0, 0, 0, 0, 0, 0]);
});

test.each([0.1, 0.9])(
  'the first questions about a large fleet come evenly over six hours, wherever the first run begins: at %d of it',
  async (startsAt) => {
    using notes = openRenewalInfoNotes(':memory:');
    expect(await noteAll(notes, 110_000, startsAt)).toBeGreaterThan(2);
    const [atOnce = 0, ...hours] = countsOf(notes);
    expect(atOnce).toBeGreaterThanOrEqual(50_000);
    expect(atOnce).toBeLessThan(51_000);
    const later = hours.slice(0, 6);
    expect(later.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(58_000);
    // They are noted in the first minutes, so that the first hour has a little less.
    for (const count of later) expect(Math.abs(count / 10_000 - 1)).toBeLessThan(0.08);
  },
);

test('a leaf with its first question ahead is told from one with an answer, a failure, or a longer wait', () => {
  const now = new Date(NOW);
  const note = { askAt: new Date(NOW + 5 * HOUR_MS), failures: 0 };
  const day = new Date(NOW).toISOString();
  const renewalInfo = { windowStart: day, windowEnd: day, renewAt: day, explanationUrl: undefined };
  expect(isFirstQuestion(note, { renewalInfo: undefined, now })).toBe(true);
  expect(isFirstQuestion(note, { renewalInfo, now })).toBe(false);
  expect(isFirstQuestion({ ...note, failures: 1 }, { renewalInfo: undefined, now })).toBe(false);
  const inDays = { ...note, askAt: new Date(NOW + 100 * HOUR_MS) };
  expect(isFirstQuestion(inDays, { renewalInfo: undefined, now })).toBe(false);
});
