/** What a mistyped command prints: the commands that look like it. It never runs one of them. */
import { type Hook, toConfiguredId } from '@oclif/core';
import { distance } from 'fastest-levenshtein';
import type { Answer } from '../answer.ts';

/** The exit status, as shells have it. */
const NOT_FOUND = 127;
/** How many commands are suggested at most. */
const SUGGESTED = 3;
/** Letters that may differ: more, and the suggestion is a guess. */
const LIKE = 3;

/** The commands that look like what was typed, the most similar first. */
export function similar(typed: string, commands: readonly string[]): string[] {
  const words = typed.split(' ');
  // An argument may follow the name: as many words are compared as the name has.
  const farness = (command: string) => distance(words.slice(0, command.split(' ').length).join(' '), command);
  return commands
    .map((command) => ({ command, far: farness(command) }))
    .filter(({ far, command }) => far <= Math.min(LIKE, command.length / 2))
    .sort((a, b) => a.far - b.far)
    .slice(0, SUGGESTED)
    .map(({ command }) => command);
}

const hook: Hook<'command_not_found'> = async ({ id, argv = [], config }) => {
  const typed = toConfiguredId(id, config);
  const shown = config.commands.filter(({ hidden }) => !hidden);
  // oclif lists an alias as a command of its own, too.
  const ids = [...new Set(shown.flatMap(({ id: own, aliases }) => [own, ...aliases]))];
  const found = similar(
    typed,
    ids.map((each) => toConfiguredId(each, config)),
  );
  const message = `"${config.bin} ${typed}" is not a command.`;
  const next = [...found.map((command) => `${config.bin} ${command}`), `"${config.bin} help" lists the commands`];
  process.exitCode = NOT_FOUND;
  if (argv.includes('--json')) {
    const error = { code: 'CERTBUS_CLI_USAGE', message, next };
    const answer: Answer = { status: 'failed', result: null, warnings: [], error, exitCode: NOT_FOUND };
    process.stdout.write(`${JSON.stringify(answer, undefined, 2)}\n`);
    return;
  }
  const like =
    found.length > 0 ? ` Did you mean ${found.map((command) => `"${config.bin} ${command}"`).join(' or ')}?` : '';
  process.stderr.write(`Error: ${message}${like} "${config.bin} help" lists the commands.\n`);
};

export default hook;
