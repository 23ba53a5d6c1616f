/** Tests of when a place that alerts are sent to is left alone. */
import { expect, test } from 'vitest';
import { createPlaceStates } from './place-states.ts';

const START = Date.parse('2026-11-30T08:00:00Z');
const after = (minutes: number) => new Date(START + minutes * 60_000);

test('a place that fails is left alone for longer each time, a quarter of an hour at most, until it takes something', () => {
  const states = createPlaceStates();
  const ends = [0, 1, 3, 7, 15, 30].map((minutes) => {
    states.failed('ops', new Error('away'), after(minutes));
    return states.of('ops', after(minutes)).notBefore;
  });
  expect(ends).toEqual([1, 3, 7, 15, 30, 45].map(after));
  states.took('ops', after(45));
  expect(states.of('ops', after(45))).toMatchObject({ error: undefined, sentAt: after(45), notBefore: new Date(0) });
  expect(states.of('others', after(45))).toMatchObject({ error: undefined, sentAt: undefined });
});

test('what was noted before the clock was put back holds nothing up', () => {
  const states = createPlaceStates();
  states.took('ops', after(-1));
  states.failed('ops', new Error('away'), after(0));
  expect(states.of('ops', after(-525_600))).toMatchObject({ notBefore: new Date(0), sentAt: undefined });
  states.failed('ops', new Error('away'), after(-525_600));
  expect(states.of('ops', after(-525_600)).notBefore).toEqual(after(-525_599));
});
