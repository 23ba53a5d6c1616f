/** What a mistyped command prints: the commands that look like it. It never runs one of them. */

import { jsonLine } from '@certbus/runtime/local';
import { type Hook, type Interfaces, toConfiguredId } from '@oclif/core';
import { distance } from 'fastest-levenshtein';
import type { Answer } from '../answer.ts';
import { breakLines } from '../break-line.ts';
import { didYouMean, similarTo } from '../did-you-mean.ts';
import { shellWord } from '../wizard/answers.ts';
import { writingOf } from '../writing.ts';

/** The exit status, as shells have it. */
const NOT_FOUND = 127;
/** The exit status of a command that is called in a wrong way. */
const USAGE = 2;
/** How many commands are suggested at most. */
const SUGGESTED = 3;
/** Letters that may differ: more, and the suggestion is a guess. */
const LIKE = 3;

/** The commands whose topic was left out, those about certificates first: `renew` is the last word of `cert renew`. */
function withoutTopic([first = '']: readonly string[], commands: ReadonlyMap<string, string>): string[] {
  const found = [...commands].filter(([name]) => name.endsWith(` ${first}`)).map(([, command]) => command);
  const isOther = (command: string) => Number(!command.startsWith('cert '));
  return found.sort((a, b) => isOther(a) - isOther(b));
}

/**
 * The commands that look like what was typed, or have an alias that does, the most similar first; where one differs by a letter, only those that do.
 * `commands`: each by its names.
 */
export function similar(typed: string, commands: ReadonlyMap<string, string>): string[] {
  const words = typed.toLowerCase().split(' ');
  // An argument may follow the name: as many words are compared as the name has.
  const farness = (name: string) => distance(words.slice(0, name.split(' ').length).join(' '), name);
  const found = [...commands]
    .map(([name, command]) => ({ name, command, far: farness(name) }))
    .filter(({ far, name }) => far <= Math.min(LIKE, name.length / 2))
    .sort((a, b) => a.far - b.far);
  const closest = found[0]?.far ?? LIKE;
  const meant = found.filter(({ far }) => closest > 1 || far === closest).map(({ command }) => command);
  return [...new Set(meant.length > 0 ? meant : withoutTopic(words, commands))].slice(0, SUGGESTED);
}

/** Every command, as it is typed, by its own name and by its aliases. */
export function commandsByName(config: Interfaces.Config): ReadonlyMap<string, string> {
  // oclif lists an alias as a command of its own, too.
  const own = config.commands.filter(({ hidden, id, aliases }) => !(hidden || aliases.includes(id)));
  const asTyped = (id: string) => toConfiguredId(id, config);
  return new Map(
    own.flatMap(({ id, aliases }) => [id, ...aliases].map((name) => [asTyped(name), asTyped(id)] as const)),
  );
}

const CODE = 'CERTBUS_CLI_USAGE';

/** A line that no command takes, for people and for programs. */
interface Refusal {
  readonly message: string;
  /** What to type instead, for programs. */
  readonly next: readonly string[];
  /** The message for people, where it is another one. */
  readonly whole?: string;
  /** How the command is called. */
  readonly usage: string;
  /** The line that shows more. */
  readonly help: string;
  /** What that line shows. */
  readonly advice: string;
  readonly exitCode: number;
  /** All words behind the program's name. */
  readonly argv: readonly string[];
}

/** Prints it as other usage errors are printed, and sets the exit status. */
function refuse({ message, whole = message, next, usage, help, advice, exitCode, argv }: Refusal): void {
  process.exitCode = exitCode;
  if (argv.includes('--json')) {
    const error = { code: CODE, message, next };
    const answer: Answer = { status: 'failed', result: null, warnings: [], error, exitCode };
    process.stdout.write(`${JSON.stringify(answer, undefined, 2)}\n`);
    return;
  }
  const { isTTY, columns: window } = process.stderr;
  if (writingOf(argv, process.env).format === 'json')
    process.stderr.write(`${jsonLine('error', whole, { code: CODE, next })}\n`);
  else if (isTTY)
    process.stderr.write(`${breakLines(`Error: ${whole}\nUsage: ${usage}\nHelp:  ${help}`, { window })}\n`);
  else process.stderr.write(`Error: ${whole} Code: ${CODE}. Next: ${advice}.\n`);
}

/** What was typed, and what there is. */
interface Mistyped {
  /** What is wrong, without what was meant. */
  readonly message: string;
  /** What looks like it, as it is typed. */
  readonly found: readonly string[];
  /** All words behind the program's name. */
  readonly argv: readonly string[];
  readonly bin: string;
}

/** Prints that no command has the name, as other usage errors are printed, and sets the exit status. */
export function reportNotFound({ message, found, argv, bin }: Mistyped): void {
  const advice = `"${bin} help" lists the commands`;
  const [usage, help] = [`${bin} COMMAND [FLAGS]`, `${bin} help`];
  const whole = `${message}${didYouMean(found)}`;
  refuse({ message, whole, next: [...found, advice], usage, help, advice, exitCode: NOT_FOUND, argv });
}

/**
 * The command that the first words are, and those after it, which it does not take: oclif reads all words up to the first flag as the name where a
 * command has no arguments. `undefined` where no command begins so.
 */
export function withSurplus(
  typed: string,
  commands: ReadonlyMap<string, string>,
): { readonly command: string; readonly surplus: string } | undefined {
  const words = typed.split(' ');
  for (let count = words.length - 1; count > 0; count -= 1) {
    const command = commands.get(words.slice(0, count).join(' '));
    if (command !== undefined) return { command, surplus: words.slice(count).join(' ') };
  }
  return undefined;
}

/**
 * The same words with the flags behind the command, where they were typed before it or between its two words: only behind it oclif takes them.
 * `undefined` where no command is among the words.
 */
export function flagsBehind(
  words: readonly string[],
  commands: ReadonlyMap<string, string>,
): readonly string[] | undefined {
  const take = (...places: readonly number[]) => [
    ...places.map((at) => words[at] ?? ''),
    ...words.filter((_, at) => !places.includes(at)),
  ];
  const second = words.findIndex((word) => commands.has(`${words[0]} ${word}`));
  if (second > 0) return take(0, second);
  const isPair = (at: number) => commands.has(`${words[at]} ${words[at + 1]}`);
  const begin = words.findIndex((word, at) => commands.has(word) || isPair(at));
  if (begin < 0) return undefined;
  return isPair(begin) ? take(begin, begin + 1) : take(begin);
}

/** Refuses a line with a flag before its command, and prints it as it is taken. `words`: all behind the program's name. */
export function refuseFlagFirst(words: readonly string[], config: Interfaces.Config): void {
  const { bin } = config;
  const [first = ''] = words;
  const behind = flagsBehind(words, commandsByName(config));
  if (behind) {
    const line = [bin, ...behind].map(shellWord).join(' ');
    const message = 'Flags are written behind the command.';
    const [usage, help, advice] = [`${bin} COMMAND [FLAGS]`, `${bin} help`, `"${line}"`];
    refuse({
      message,
      next: [line],
      whole: `${message}${didYouMean([line])}`,
      usage,
      help,
      advice,
      exitCode: USAGE,
      argv: words,
    });
    return;
  }
  const meant = /^-v$/i.test(first) ? ['--version'] : similarTo(first, ['--help', '--version']);
  const found = meant.map((flag) => `${bin} ${flag}`);
  reportNotFound({ message: `"${bin} ${first}" is not a command.`, found, argv: words, bin });
}

const hook: Hook<'command_not_found'> = async ({ id, argv = [], config }) => {
  const { bin } = config;
  if (id.startsWith('-')) {
    refuseFlagFirst([id, ...argv], config);
    return;
  }
  const typed = toConfiguredId(id, config);
  const commands = commandsByName(config);
  const called = withSurplus(typed, commands);
  if (called) {
    const name = `${bin} ${called.command}`;
    const [help, message] = [`${name} --help`, `"${name}" does not take "${called.surplus}".`];
    const advice = `"${help}" shows its flags and examples`;
    refuse({ message, next: [advice], usage: `${name} [FLAGS]`, help, advice, exitCode: USAGE, argv });
    return;
  }
  const found = similar(typed, commands).map((command) => `${bin} ${command}`);
  reportNotFound({ message: `"${bin} ${typed}" is not a command.`, found, argv, bin });
};

export default hook;
