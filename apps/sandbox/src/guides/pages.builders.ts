/** Runs the commands of guides on a machine, and compares what they print with the pages, or writes it there. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import type { Machine } from './machine.builders.ts';
import { commandsOf, comparable, withOutputs } from './transcript.builders.ts';

/** Whether the pages are written from what was printed. */
export const isWriting: boolean = process.env['CERTBUS_CONTRACT'] === 'write';

/** Path of a guide. */
export const guide = (name: string): string =>
  fileURLToPath(new URL(`../../../../docs/guides/${name}`, import.meta.url));

const transcript = (pages: readonly string[]): string[] =>
  pages.flatMap((page) => commandsOf(page)).map(({ command, output }) => `$ ${command}\n${output}`);

/** Expects that all commands of some guides, one after the other, end with 0 and print what the guides show. */
export async function expectToPrint(machine: Machine, files: readonly string[]): Promise<void> {
  const read = () => files.map((file) => readFileSync(file, 'utf8'));
  const pages = read();
  const commands = pages.flatMap((page) => commandsOf(page));
  const ran = await machine.run(commands);
  const named = ran.map((ended, index) => ({ command: commands[index]?.command, ...ended }));
  expect(named.filter(({ status }) => status !== 0)).toEqual([]);
  // A file that ends without a line break would take the end of its block into its last line.
  const outputs = ran.map(({ output }) => (output === '' || output.endsWith('\n') ? output : `${output}\n`));
  const printed = pages.map((page) => withOutputs(page, outputs.splice(0, commandsOf(page).length)));
  const compared = (shown: readonly string[]) => comparable(transcript(shown), transcript(printed));
  const isCurrent = isDeepStrictEqual(...compared(pages));
  if (isWriting && !isCurrent) for (const [index, file] of files.entries()) writeFileSync(file, printed[index] ?? '');
  const [shown, found] = compared(read());
  expect(shown).toEqual(found);
}
