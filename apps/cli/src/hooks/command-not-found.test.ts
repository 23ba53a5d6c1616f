/** Which commands a mistyped one is like. */
import { expect, test } from 'vitest';
import { similar, withSurplus } from './command-not-found.ts';

const COMMANDS = new Map([
  ...['cert mk', 'cert ls', 'cert cat', 'cert rm', 'cert renewable', 'bus log', 'doctor', 'init'].map(
    (name) => [name, name] as const,
  ),
  ['cert make', 'cert mk'],
  ['cert list', 'cert ls'],
]);

test.each([
  ['cert mkk example.com', ['cert mk']],
  ['crt ls', ['cert ls']],
  ['cert lst', ['cert ls']],
  ['cert rk', ['cert mk', 'cert rm']],
  ['cert lits', ['cert ls', 'cert cat']],
  ['docter', ['doctor']],
  ['cert renewabel', ['cert renewable']],
  ['something else', []],
  ['x', []],
])('"%s" is like %j', (typed, expected) => {
  expect(similar(typed, COMMANDS)).toEqual(expected);
});

test.each([
  ['cert ls a.test', { command: 'cert ls', surplus: 'a.test' }],
  ['cert list a.test b.test', { command: 'cert ls', surplus: 'a.test b.test' }],
  ['doctor cert ls', { command: 'doctor', surplus: 'cert ls' }],
  ['cert lst a.test', undefined],
  ['docter a.test', undefined],
])('"%s" is a command with words too many: %j', (typed, expected) => {
  expect(withSurplus(typed, COMMANDS)).toEqual(expected);
});
