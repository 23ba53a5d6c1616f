/** Tests of when names count as lost for good. */
import { readEvent } from '@certbus/events/history';
import { expect, test } from 'vitest';
import { obtained } from '../renewal/fleet.builders.ts';
import { isQuarantined, recordLook } from './quarantine.ts';
import { given } from './state.builders.ts';

const HOUR_MS = 3_600_000;
const START = Date.parse('2027-01-25T00:00:00Z');
const after = (hours: number) => new Date(START + hours * HOUR_MS);
const lost = (...names: string[]) => ({ names, loss: 'gone', detail: 'NXDOMAIN' }) as const;

/** Looks, each with its instant in hours and what it found; the result is whether the names count as lost for good after each. */
function look(...looks: readonly (readonly [number, ReturnType<typeof lost>])[]): readonly boolean[] {
  const state = given([obtained('certificate1'), after(-24 * 60)]);
  return looks.map(([hours, found], index) => {
    const { events } = recordLook(state, after(hours), 'certificate1', found);
    state.apply(events.map(readEvent), { at: after(hours), position: 10 + index });
    return isQuarantined(state.certificate('certificate1') ?? {});
  });
}

test('the same name is found lost twice, an hour apart', () => {
  expect(look([0, lost('a.test')], [0.4, lost('a.test')], [1, lost('a.test', 'b.test')])).toEqual([false, false, true]);
});

test('two looks that find different names prove nothing of any', () => {
  expect(look([0, lost('a.test')], [2, lost('b.test')], [3, lost('b.test')])).toEqual([false, false, true]);
});

test('a look by a clock that was ahead by years counts for nothing, and keeps nobody from looking', () => {
  expect(look([90_000, lost('a.test')], [1, lost('a.test')], [2, lost('a.test')])).toEqual([false, false, true]);
});
