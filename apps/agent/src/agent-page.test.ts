/** Holds documents to the code: docs/agent.md has every metric of the targets and every field of `agent.json`; commands are as they are named. */
import { readFileSync } from 'node:fs';
import { type Command, Parser } from '@oclif/core';
import { documentedCommands, wrongCommands } from 'certbus-services';
import { expect, test } from 'vitest';
import { COMMANDS } from './command-line/commands.builders.ts';
import { AgentConfigurationSchema } from './configuration/configuration.ts';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const page = read('../../../docs/agent.md');

/** Names in the first column of the table that begins with a line. */
function rowsBelow(header: string, pattern: RegExp): string[] {
  const [, rest = ''] = page.split(`\n${header}\n`);
  const [table = ''] = rest.split('\n\n');
  return [...table.matchAll(/^\| ([^|]+) \|/gm)].flatMap(([, cell = '']) => cell.match(pattern) ?? []).sort();
}

test('the table of metrics has what the code has', () => {
  const source = read('reporting/target-metrics.ts');
  const listed = [...source.matchAll(/^ {2}\[\n? *'(\w+)',/gm)].map(([, name]) => `certbus_target_${name}`);
  const others = [...source.matchAll(/name: '(certbus_\w+)'/g)].map(([, name = '']) => name);
  expect(rowsBelow('| metric | what it is | alert on |', /certbus_\w+/g)).toEqual([...listed, ...others].sort());
});

test('the first table of agent.json has its fields', () => {
  const fields = Object.keys(AgentConfigurationSchema.entries);
  expect(rowsBelow('| field | meaning |', /\w+/g)).toEqual(fields.sort());
});

test('every command of the agent that documents and messages name is one, with flags and arguments that it takes', async () => {
  const parse = ({ args, flags, baseFlags }: Command.Class, words: string[]) =>
    Parser.parse(words, { args, flags: { ...baseFlags, ...flags }, strict: true } as never);
  const named = documentedCommands('certbus-agent');
  expect(named.length).toBeGreaterThan(30);
  expect(await wrongCommands(COMMANDS, named, parse)).toEqual([]);
});
