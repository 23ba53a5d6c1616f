/** Which commands a mistyped one is like. */
import { expect, test } from 'vitest';
import { similar } from './command-not-found.ts';

const COMMANDS = ['cert mk', 'cert make', 'cert ls', 'cert rm', 'cert renewable', 'bus log', 'doctor', 'init'];

test.each([
  ['cert mkk example.com', ['cert mk', 'cert make', 'cert ls']],
  ['crt ls', ['cert ls', 'cert mk', 'cert rm']],
  ['docter', ['doctor']],
  ['cert renewabel', ['cert renewable']],
  ['something else', []],
  ['x', []],
])('"%s" is like %j', (typed, expected) => {
  expect(similar(typed, COMMANDS)).toEqual(expected);
});
