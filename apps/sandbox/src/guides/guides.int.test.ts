/** Runs every command of the guides that show a terminal, and compares what it prints with the pages. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { bundledCommandLine, isFull } from 'certbus-services/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { startMachine } from './machine.builders.ts';
import { commandsOf, comparable, withOutputs } from './transcript.builders.ts';

/** Whether the pages are written from what was printed. */
const isWriting = process.env['CERTBUS_CONTRACT'] === 'write';

/** In their order: each continues the one before it, on one machine. */
const GUIDES = ['production.md', 'upgrade.md', 'remove.md']
  .slice(0, isWriting || isFull ? undefined : 1)
  .map((name) => fileURLToPath(new URL(`../../../../docs/guides/${name}`, import.meta.url)));

const read = () => GUIDES.map((file) => readFileSync(file, 'utf8'));

/** Commands and outputs in one text, in which nothing is left that no two runs have in common. */
const transcript = (pages: readonly string[]) =>
  pages.flatMap((page) => commandsOf(page)).map(({ command, output }) => `$ ${command}\n${comparable(output)}`);

test('the guides from an empty machine to its removal show what their commands print; CERTBUS_CONTRACT=write writes it', {
  tags: 'full',
  // Some forty processes, one after the other.
  timeout: 1_200_000,
}, async () => {
  const pages = read();
  const machine = await startMachine(await bundledCommandLine());
  onTestFinished(machine.stop);
  const ran = await machine.run(pages.flatMap((page) => commandsOf(page)));
  expect(ran.filter(({ status }) => status !== 0)).toEqual([]);
  const outputs = ran.map(({ output }) => output);
  const printed = pages.map((page) => withOutputs(page, outputs.splice(0, commandsOf(page).length)));
  const isCurrent = isDeepStrictEqual(transcript(pages), transcript(printed));
  if (isWriting && !isCurrent) for (const [index, file] of GUIDES.entries()) writeFileSync(file, printed[index] ?? '');
  expect(transcript(read())).toEqual(transcript(printed));
});
