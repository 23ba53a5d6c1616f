import { expect, test } from 'vitest';
import { comparable } from './transcript.builders.ts';

test.each([
  ['with capitals and digits', 'ZonCth5IQWM', 'x0_T-aaaaaA'],
  ['of nothing but small letters', 'ZonCth5IQWM', 'lqknnrjfddg'],
  ['of nothing but digits, with dashes', 'lqknnrjfddg', '0123-456-89'],
])('an id %s is none that two runs have to share', (_, one, other) => {
  const [first, second] = comparable([`certificate ${one} is valid`], [`certificate ${other} is valid`]);
  expect(first).toEqual(['certificate ID is valid']);
  expect(second).toEqual(first);
});

test('a word as long as an id that one run left out is missed', () => {
  const [first, second] = comparable(['certificate deactivated\n'], ['certificate\n']);
  expect(first).toEqual(['certificate ID\n']);
  expect(second).toEqual(['certificate\n']);
});
