/** Finds what can come next on a command line, for shells that complete it. */
import type { Command } from '@oclif/core';

/** A command as completion looks at it. */
export type KnownCommand = Pick<Command.Loadable, 'id' | 'hidden' | 'flags' | 'args'>;

/** What an argument names: ids and names of certificates, ids of campaigns, names of all others. */
export type Subject = 'certificates' | 'campaigns' | 'managers' | 'recipients' | 'providers' | 'authorities' | 'pages';

/** What is known of the command line. */
export interface Known {
  readonly commands: readonly KnownCommand[];
  /** All that an argument can name, as far as this machine knows; asked only where one can come next. */
  readonly subjects: (subject: Subject) => Promise<readonly string[]>;
}

/** What arguments name, by the id of their command and their own name; the others are free, or have options. */
const SUBJECTS: readonly (readonly [RegExp, Subject])[] = [
  [/^cert:\w+ id$/, 'certificates'],
  [/^campaign:\w+ id$/, 'campaigns'],
  [/^manager:(rm|expel) /, 'managers'],
  [/^recipient:rm /, 'recipients'],
  [/^provider:show /, 'providers'],
  [/^conf:use /, 'authorities'],
];

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
  { id, args }: KnownCommand,
  typed: readonly string[],
  known: Known,
): Promise<readonly string[]> {
  if (id === 'help')
    return [...nextInNames(typed, known.commands), ...(typed.length === 0 ? await known.subjects('pages') : [])];
  const all = Object.values(args);
  const next = all[Math.min(typed.length, all.length - 1)];
  if (!next || (typed.length >= all.length && !next.multiple)) return [];
  const [, subject] = SUBJECTS.find(([argument]) => argument.test(`${id} ${next.name}`)) ?? [];
  return subject ? known.subjects(subject) : (next.options ?? []);
}

/** The local configuration that a command line names; `undefined` where it names none. */
export function configIn(words: readonly string[]): string | undefined {
  const at = words.lastIndexOf('--config');
  return at < 0 ? words.findLast((word) => word.startsWith('--config='))?.slice('--config='.length) : words[at + 1];
}

/**
 * What can stand in the place of the last word, which is begun or empty: names of commands, flags, values of flags and arguments, ids and
 * names of certificates. Empty where nothing is known, such as for a file.
 */
export async function candidates(words: readonly string[], known: Known): Promise<string[]> {
  const before = words.slice(0, -1);
  // PowerShell before 7.3 passes no empty word to a program, so a space is in its place.
  const begun = (words.at(-1) ?? '').trim();
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
