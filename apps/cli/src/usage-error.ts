/** Puts errors about flags and arguments into plain words, with what was probably meant. */
import { distance } from 'fastest-levenshtein';
import { CliError } from './errors.ts';

/** The command that was called in a wrong way. */
export interface CalledCommand {
  /** As it is typed, such as `certbus cert ls`. */
  readonly name: string;
  readonly flags: Readonly<
    Record<string, { readonly type: string; readonly hidden?: boolean | undefined; readonly env?: string | undefined }>
  >;
  readonly args: Readonly<
    Record<string, { readonly required?: boolean | undefined; readonly multiple?: boolean | undefined }>
  >;
  /** The words behind the name. */
  readonly words: readonly string[];
}

/** What was wrong, and what to do. */
export interface UsageError {
  readonly message: string;
  readonly next: readonly string[];
}

/** Letters that can differ: more, and a suggestion is a guess. */
const LIKE = 3;

/** One in 64 hashes and public keys has a dash in front. The letters behind it can be taken for flags, and are left out then. */
const HASH_OR_KEY = /^-[\w-]{39,42}$/;

/** The flag of a command that looks most like what was typed; `undefined` where none does. */
function similarFlag(typed: string, { flags }: CalledCommand): string | undefined {
  const bare = typed.replace(/^-+/, '');
  const isLike = (name: string) =>
    distance(bare, name) <= Math.min(LIKE, Math.ceil(name.length / 2)) || (bare.length > 2 && name.startsWith(bare));
  const [found] = Object.entries({ ...flags, help: { type: 'boolean', hidden: false } })
    .filter(([name, { hidden }]) => !hidden && isLike(name))
    .sort(([a], [b]) => distance(bare, a) - distance(bare, b));
  return found && `--${found[0]}`;
}

/** How a command is called: its arguments, and that it has flags. */
export function usageOf({ name, args }: Pick<CalledCommand, 'name' | 'args'>): string {
  const shown = Object.entries(args).map(([arg, { required, multiple }]) => {
    const word = `${arg.toUpperCase()}${multiple ? '...' : ''}`;
    return required ? word : `[${word}]`;
  });
  return [name, ...shown, '[FLAGS]'].join(' ');
}

const listOf = (error: Error, field: 'flags' | 'args'): readonly string[] => {
  const value: unknown = Reflect.get(error, field);
  return Array.isArray(value) ? value.map((each) => (typeof each === 'object' ? String(each.name) : String(each))) : [];
};

/**
 * Refuses a word without a character, which is what a shell makes of `"$NAME"` where that is not set: an empty pattern could fit everything, and
 * an empty flag be passed over. Throws `CERTBUS_CLI_USAGE`.
 */
export function refuseEmptyWords(words: readonly string[]): void {
  const at = words.findIndex((word) => word === '' || /^--[\w-]+=$/.test(word));
  if (at < 0) return;
  const flag = (words[at] || words[at - 1])?.match(/^--?[\w-]+/)?.[0];
  const where = flag === undefined ? 'An argument is empty' : `The value after "${flag}" is empty`;
  throw new CliError(
    'CERTBUS_CLI_USAGE',
    `${where}. Give a value, or leave it out. A shell variable that is not set makes it empty.`,
  );
}

/**
 * Refuses `-`, which other programs take for standard input or output: a private key would go to a file of that name. Throws `CERTBUS_CLI_USAGE`. One that
 * is a word too many is left to the parser.
 */
export function refuseDash({ words, args }: Pick<CalledCommand, 'words' | 'args'>): void {
  const hasArgs = Object.keys(args).length > 0;
  const isTaken = (word: string, at: number) =>
    /^--[\w-]+=-$/.test(word) || (word === '-' && (hasArgs || words[at - 1]?.startsWith('--')));
  if (!words.some(isTaken)) return;
  const what = '"-" is not standard input or output for this command: name a file. A file of that name is "./-".';
  throw new CliError('CERTBUS_CLI_USAGE', what);
}

/**
 * Refuses a value for a flag that takes none, such as `--dry-run=false`: oclif would set the flag, and read the value as an argument. Throws
 * `CERTBUS_CLI_USAGE`.
 */
export function refuseValues({ words, flags }: Pick<CalledCommand, 'words' | 'flags'>): void {
  const end = words.indexOf('--');
  for (const word of end < 0 ? words : words.slice(0, end)) {
    const [, name = ''] = /^--([\w-]+)=/.exec(word) ?? [];
    if (name === 'json' || flags[name]?.type === 'boolean')
      throw new CliError('CERTBUS_CLI_USAGE', `"--${name}" takes no value. Write it without one, or leave it out.`);
  }
}

/** A flag and the value that was refused for it, or the variable of the environment that the value is from. */
function sourceOf(name: string, value: string, { flags, words }: CalledCommand): string {
  const env = flags[name]?.env;
  const isTyped = words.some((word) => word === `--${name}` || word.startsWith(`--${name}=`));
  return env === undefined || isTyped ? `--${name}=${value}` : `${env}=${value}`;
}

/** An error that a command's own reading of a flag threw, without the words that the parser puts around its message; any other error unchanged. */
export function withoutParser(error: unknown): unknown {
  const [, flag, message] =
    error instanceof CliError
      ? (/^Parsing (--[\w-]+)\s+(.*?)\s+See more help with --help$/s.exec(error.message) ?? [])
      : [];
  return error instanceof CliError && message !== undefined
    ? new CliError(error.code, `${flag}: ${message}`, { cause: error.cause })
    : error;
}

/** An error of the parser about a command, in plain words. */
export function explainUsage(error: Error, command: CalledCommand): UsageError {
  const help = `"${command.name} --help" shows its flags and examples`;
  const [flag] = listOf(error, 'flags');
  const args = listOf(error, 'args');
  if (error.message.startsWith('Nonexistent flag') && flag !== undefined) {
    const like = similarFlag(flag, command);
    const guess = like ? ` Did you mean "${like}"?` : '';
    const advice = HASH_OR_KEY.test(flag) ? ' A hash or key that begins with "-" comes last, after "--".' : guess;
    return { message: `"${flag}" is not a flag of "${command.name}".${advice}`, next: [help] };
  }
  const lacking = Array.from(error.message.matchAll(/^\s*Missing required flag (\S+)$/gm), ([, name]) => `--${name}`);
  if (lacking.length > 0) return { message: `"${command.name}" needs ${lacking.join(' and ')}.`, next: [help] };
  if (error.message.startsWith('Missing'))
    return { message: `"${command.name}" needs ${args.map((arg) => arg.toUpperCase()).join(' and ')}.`, next: [help] };
  if (error.message.startsWith('Unexpected argument'))
    return { message: `"${command.name}" does not take "${args.join(' ')}".`, next: [help] };
  const [first = ''] = error.message
    .replace(/\s*See more help with --help$/, '')
    .replace(/^The following errors? occurred:\s*/, '')
    .replace(/^Parsing (--[\w-]+)\s+(\w)/, (_, name: string, letter: string) => `${name}: ${letter.toLowerCase()}`)
    .replaceAll(/(--[\w-]+)=true\b/g, '$1')
    .replace(/(--[\w-]+)=.*( cannot also be provided)/s, '$1$2')
    .replace(
      /^(Expected )--([\w-]+)=(.*?)(?= to be one of)/s,
      (_, begin: string, name: string, value: string) => `${begin}${sourceOf(name, value, command)}`,
    )
    .split('\n\n');
  return { message: first.replace(/\s*\n\s*/g, ' ').replace(/([^.?!])$/, '$1.'), next: [help] };
}
