/** Holds docs/agent.md to the code: every metric of the targets, and every field of `agent.json`, is on the page. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
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
