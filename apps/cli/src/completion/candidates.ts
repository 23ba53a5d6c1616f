/** Finds what can come next on a command line, for shells that complete it. */
import type { Command } from '@oclif/core';

/** A command as completion looks at it. */
export type KnownCommand = Pick<Command.Loadable, 'id' | 'hidden' | 'flags' | 'args'>;

/** What is known of the command line. */
export interface Known {
  readonly commands: readonly KnownCommand[];
  /** Ids and names of the managed certificates of this machine's bus; asked only where one can come next. */
  readonly certificates: () => Promise<readonly string[]>;
}

/** The command that words begin with, and the words behind its name. */
function commandOf(words: readonly string[], commands: readonly KnownCommand[]) {
  const found = commands
    .map((command) => ({ command, name: command.id.split(':') }))
    .filter(({ name }) => name.every((part, index) => words[index] === part))
    .sort((a, b) => b.name.length - a.name.length)[0];
  return found && { command: found.command, rest: words.slice(found.name.length) };
}

/** The words that can come next in the names of commands. */
function nextInNames(before: readonly string[], commands: readonly KnownCommand[]): string[] {
  const names = commands.filter(({ hidden }) => !hidden).map(({ id }) => id.split(':'));
  const fitting = names.filter((name) => before.every((word, index) => name[index] === word));
  return fitting.flatMap((name) => name[before.length] ?? []);
}

/** The flags of a command, as they are typed. */
function flagsOf({ flags }: KnownCommand): string[] {
  return Object.entries(flags)
    .filter(([, { hidden }]) => !hidden)
    .flatMap(([name, flag]) => [`--${name}`, ...(flag.type === 'boolean' && flag.allowNo ? [`--no-${name}`] : [])]);
}

/** The values that the flag before the cursor takes; `undefined` where it takes none, an empty list where any will do. */
function valuesFor(last: string | undefined, { flags }: KnownCommand): readonly string[] | undefined {
  const flag = Object.entries(flags).find(
    ([name, { char }]) => last === `--${name}` || (char && last === `-${char}`),
  )?.[1];
  return flag?.type === 'option' ? (flag.options ?? []) : undefined;
}

/** The values of the argument that comes next. */
async function nextArgument(
  { args }: KnownCommand,
  typed: readonly string[],
  known: Known,
): Promise<readonly string[]> {
  const all = Object.values(args);
  const next = all[Math.min(typed.length, all.length - 1)];
  if (!next || (typed.length >= all.length && !next.multiple)) return [];
  return next.name === 'id' ? known.certificates() : (next.options ?? []);
}

/**
 * What can stand in the place of the last word, which is begun or empty: names of commands, flags, values of flags and arguments, ids and
 * names of certificates. Empty where nothing is known, such as for a file.
 */
export async function candidates(words: readonly string[], known: Known): Promise<string[]> {
  const before = words.slice(0, -1);
  const begun = words.at(-1) ?? '';
  const found = commandOf(before, known.commands);
  const all = found ? await candidatesIn(found, begun, known) : nextInNames(before, known.commands);
  return [...new Set(all)].filter((candidate) => candidate.startsWith(begun)).sort();
}

async function candidatesIn(
  { command, rest }: { readonly command: KnownCommand; readonly rest: readonly string[] },
  begun: string,
  known: Known,
): Promise<readonly string[]> {
  const values = valuesFor(rest.at(-1), command);
  if (values) return values;
  if (begun.startsWith('-')) return flagsOf(command);
  const typed = rest.filter((word, index) => !word.startsWith('-') && !valuesFor(rest[index - 1], command));
  return nextArgument(command, typed, known);
}
