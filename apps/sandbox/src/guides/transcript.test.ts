import { expect, test } from 'vitest';
import { comparable, replacing } from './transcript.builders.ts';

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

test('a port of this machine that begins like a port of a guide stays what it is', () => {
  const here = replacing([
    ['https://ca.example/directory', 'https://127.0.0.1:44312/directory'],
    ['ca.example', '127.0.0.1:44312'],
    ['127.0.0.1:443', '127.0.0.1:12345'],
    [' port 80', ' port 8012'],
  ]);
  expect(here('--directory https://ca.example/directory')).toBe('--directory https://127.0.0.1:44312/directory');
  expect(here('ca.example, 127.0.0.1:443, 127.0.0.1:4431')).toBe('127.0.0.1:44312, 127.0.0.1:12345, 127.0.0.1:4431');
  expect(here('at port 80, at port 8080')).toBe('at port 8012, at port 8080');
});

test('it does not matter whether a step took seconds or minutes', () => {
  const [first, second] = comparable(['a.test: claimed (1 s)\n'], ['a.test: claimed (2 min 05 s)\n']);
  expect(first).toEqual(['a.test: claimed (N s)\n']);
  expect(second).toEqual(first);
});
