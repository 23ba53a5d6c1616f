/** Which commands a mistyped one is like. */
import { expect, test } from 'vitest';
import { flagsBehind, similar, withSurplus } from './command-not-found.ts';

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
  ['cert LS', ['cert ls']],
  ['DOCTOR', ['doctor']],
  ['renewable --renew-all', ['cert renewable']],
  ['log', ['bus log']],
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

test.each([
  [
    ['--json', 'cert', 'ls'],
    ['cert', 'ls', '--json'],
  ],
  [
    ['--config', 'c.json', 'cert', 'mk', 'a.test', '-q'],
    ['cert', 'mk', '--config', 'c.json', 'a.test', '-q'],
  ],
  [
    ['-q', 'doctor'],
    ['doctor', '-q'],
  ],
  [
    ['cert', '--expiring', '14d', 'ls', '--json'],
    ['cert', 'ls', '--expiring', '14d', '--json'],
  ],
  [['--json'], undefined],
  [['cert', '--json', 'nothing'], undefined],
])('the flags of %j belong behind the command: %j', (words, expected) => {
  expect(flagsBehind(words, COMMANDS)).toEqual(expected);
});
