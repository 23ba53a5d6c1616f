/** Tests of the next instant at which a manager has something to do. */
import { expect, test } from 'vitest';
import { nextRun } from './next-run.ts';
import type { RenewalOutcome } from './outcome.ts';

const NOW = new Date('2026-01-01T00:00:00Z');
const inSeconds = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);
const agenda = {
  now: () => NOW,
  graceMs: 5_000,
  view: {
    state: {
      nextDue: ({ after }: { after?: Date } = {}) => (after ? undefined : inSeconds(-1)),
      due: () => [],
      paused: () => [],
    },
  },
};
/** More than a function takes as arguments. */
const MANY = 200_000;

test.each<[string, Partial<RenewalOutcome> & Pick<RenewalOutcome, 'outcome'>, number]>([
  [
    'for which a CA has no room now: when the first has',
    { outcome: 'postponed', limit: { limit: 'domains', subject: 'a.test' } },
    30,
  ],
  ['that others claim: when the first claim counts no more', { outcome: 'claimed-elsewhere' }, 35],
])('a run leaves as many certificates as a bus has %s', async (_, left, seconds) => {
  const outcomes = Array.from({ length: MANY }, (_unused, n) => ({
    ...left,
    certificateId: `certificate${n}`,
    names: [],
    until: inSeconds(30 + MANY - n - 1),
  }));
  const next = await nextRun(agenda, { outcomes, awaitsOutage: false, others: [] });
  expect(next).toEqual(inSeconds(seconds));
});
