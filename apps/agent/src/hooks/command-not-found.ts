/** What a mistyped command prints: the commands that look like it. It never runs one of them. */
import type { Hook } from '@oclif/core';
import { distance } from 'fastest-levenshtein';

/** The exit status, as shells have it. */
const NOT_FOUND = 127;
/** The exit status of a command that is called in a wrong way. */
const USAGE = 2;
const CODE = 'CERTBUS_CLI_USAGE';
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

/** What to print, in which order programs and people read it. */
interface Refusal {
  readonly message: string;
  /** What to type instead. */
  readonly found?: readonly string[];
  readonly advice: string;
  readonly exitCode: number;
}

/** @param id the words up to the first flag, as oclif joins them. */
function refusalOf(id: string, bin: string, commands: readonly string[]): Refusal {
  const [first = '', ...surplus] = id.split(':');
  if (surplus.length > 0 && commands.includes(first)) {
    const message = `"${bin} ${first}" does not take "${surplus.join(' ')}".`;
    return { message, advice: `"${bin} ${first} --help" lists what it takes.`, exitCode: USAGE };
  }
  const found = similar(first, commands).map((command) => `"${bin} ${command}"`);
  const message = `"${bin} ${[first, ...surplus].join(' ')}" is not a command.`;
  return { message, found, advice: `"${bin} help" lists the commands.`, exitCode: NOT_FOUND };
}

const hook: Hook<'command_not_found'> = async ({ id, argv = [], config }) => {
  const shown = config.commands.filter(({ hidden }) => !hidden).map((command) => command.id);
  const { message, found = [], advice, exitCode } = refusalOf(id, config.bin, shown);
  process.exitCode = exitCode;
  if (argv.includes('--json')) {
    const error = { code: CODE, message, next: [...found, advice] };
    const answer = { status: 'failed', result: null, warnings: [], error, exitCode };
    process.stdout.write(`${JSON.stringify(answer, undefined, 2)}\n`);
    return;
  }
  const like = found.length > 0 ? ` Did you mean ${found.join(' or ')}?` : '';
  process.stderr.write(`Error: ${message}${like} ${advice} Code: ${CODE}.\n`);
};

export default hook;
