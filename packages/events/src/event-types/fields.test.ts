/** Tests of the fields that events share. */
import * as v from 'valibot';
import { expect, test } from 'vitest';
import { instant } from './fields.ts';

const two = (n: number) => String(n).padStart(2, '0');

/** Whether a text is what a date says of itself. */
const isDate = (text: string): boolean => {
  const at = Date.parse(text);
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text.slice(0, 19));
};

test('an instant is one of the calendar, exactly as a date has it', () => {
  const texts: string[] = [];
  for (const year of ['0000', '0004', '1900', '2000', '2023', '2024', '2100', '9999'])
    for (let month = 0; month <= 13; month += 1)
      for (let day = 0; day <= 32; day += 1) texts.push(`${year}-${two(month)}-${two(day)}T00:00:00Z`);
  for (let n = 0; n < 100; n += 1)
    texts.push(
      `2026-11-29T${two(n)}:00:00Z`,
      `2026-11-29T00:${two(n)}:00Z`,
      `2026-11-29T00:00:${two(n)}Z`,
      `2026-11-29T24:00:${two(n)}.000Z`,
    );
  expect(texts.filter((text) => v.is(instant, text))).toEqual(texts.filter(isDate));
});
