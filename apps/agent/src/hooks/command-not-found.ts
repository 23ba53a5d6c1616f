/** What a mistyped command prints: the commands that look like it. It never runs one of them. */
import type { Hook } from '@oclif/core';
import { distance } from 'fastest-levenshtein';

/** The exit status, as shells have it. */
const NOT_FOUND = 127;
/** Letters that may differ: more, and the suggestion is a guess. */
const LIKE = 2;

/** The commands that look like what was typed, the most similar first. */
export function similar(typed: string, commands: readonly string[]): string[] {
  return commands
    .map((command) => ({ command, far: distance(typed, command) }))
    .filter(({ far, command }) => far <= Math.min(LIKE, command.length / 2))
    .sort((a, b) => a.far - b.far)
    .map(({ command }) => command);
}

const hook: Hook<'command_not_found'> = async ({ id, argv = [], config }) => {
  const shown = config.commands.filter(({ hidden }) => !hidden);
  const found = similar(
    id,
    shown.map((command) => command.id),
  ).map((command) => `"${config.bin} ${command}"`);
  const message = `"${config.bin} ${id}" is not a command.`;
  const list = `"${config.bin} help" lists the commands.`;
  process.exitCode = NOT_FOUND;
  if (argv.includes('--json')) {
    const error = { code: 'CERTBUS_CLI_USAGE', message, next: [...found, list] };
    const answer = { status: 'failed', result: null, warnings: [], error, exitCode: NOT_FOUND };
    process.stdout.write(`${JSON.stringify(answer, undefined, 2)}\n`);
    return;
  }
  const like = found.length > 0 ? ` Did you mean ${found.join(' or ')}?` : '';
  process.stderr.write(`Error: ${message}${like} ${list}\n`);
};

export default hook;
