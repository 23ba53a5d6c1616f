/** What the README of the package has of the commands. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { YES_FLAG } from '../base-command.ts';
import { COMMANDS } from '../commands.builders.ts';

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const visible = Object.entries(COMMANDS).filter(([, { hidden }]) => !hidden);
const asTyped = (id: string) => id.replaceAll(':', ' ');

/** Every command in a text, where `a b | c` in backquotes stands for `a b` and `a c`. */
function commandsIn(text: string): Set<string> {
  const quoted = [...text.matchAll(/`([^`]+)`/g)].map(([, words = '']) => words.replaceAll('\\|', '|'));
  return new Set(
    quoted.flatMap((words) => {
      const [first = '', ...rest] = words.split(' | ');
      const [topic = '', name] = first.split(' ');
      return [topic, `${topic} ${name}`, ...rest.map((other) => `${topic} ${other.split(' ')[0]}`)];
    }),
  );
}

test('its table has every command', () => {
  const table = commandsIn(README.match(/^\| `.*$/gm)?.join('\n') ?? '');
  expect(visible.map(([id]) => asTyped(id)).filter((command) => !table.has(command))).toEqual([]);
});

test('it names every command that asks before it goes on, and no other', () => {
  const [list = ''] = /^These ask first on a terminal;.*?never ask/ms.exec(README) ?? [];
  const named = commandsIn(list.slice(0, list.indexOf('`cert mk`')));
  const asking = visible.flatMap(([id, { flags }]) => (flags?.['yes'] === YES_FLAG ? [asTyped(id)] : []));
  expect(asking.length).toBeGreaterThan(10);
  expect(visible.map(([id]) => asTyped(id)).filter((command) => named.has(command))).toEqual(asking);
});
