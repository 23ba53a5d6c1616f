/** Finds the command lines that documents and messages name, so that a test can parse them. */
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DOCUMENTS = ['*.md', 'docs/**/*.md', '{packages,apps,examples}/*/README.md'];
/** Made from the commands themselves. */
const GENERATED = 'docs/commands.md';
const SOURCES = ['{packages,apps}/*/src/**/*.ts', '{packages,apps}/*/{systemd,cron,prometheus}/*'];
/** Where lines of services and timers start a program. */
const STARTED_BY = /^(?:ExecStart=\/usr\/bin\/env |(?:\S+ ){5}\S+ +)/;

/** A command line that a document or a message names. */
export interface DocumentedCommand {
  /** File and line. */
  readonly where: string;
  /** What comes after the program. */
  readonly words: readonly string[];
  /** Whether it is to be typed as it is; otherwise it can lack arguments. */
  readonly isWhole: boolean;
}

const SEPARATOR = /^(?:\||\|\||;|&&|\(|\)|\{|\}|>|>>|<)$/;
/** A word behind which a program can stand: one that starts another, an assignment, a field of cron. */
const STARTS = /^(?:--|\*|sudo|exec|time|[A-Z_]+=.*)$/;

/** The words of a line of shell, with separators as words of their own; comments are left out. */
function shellWords(line: string): string[] {
  const found = line.matchAll(
    /(?<comment>(?<!\S)#.*$)|(?<separator>\|\||&&|>>|[|;()<>])|(?:"(?:\\.|[^"\\])*"|'[^']*'|\$\([^)]*\)|\\.|[^\s"'|;()<>])+/g,
  );
  return [...found].flatMap(([word, ...rest]) =>
    rest[0] === undefined ? [word.replaceAll(/^(["'])(.*)\1$/g, '$2')] : [],
  );
}

/** The calls of a program in a line of shell. */
function callsIn(line: string, program: string): string[][] {
  const words = shellWords(line);
  return words.flatMap((word, at) => {
    const before = words[at - 1];
    const isCalled = before === undefined || SEPARATOR.test(before) || STARTS.test(before);
    if (!isCalled || word !== program) return [];
    return [untilSeparator(words.slice(at + 1))];
  });
}

function untilSeparator(words: readonly string[]): string[] {
  const end = words.findIndex((word) => SEPARATOR.test(word));
  return words.slice(0, end < 0 ? undefined : end);
}

/** The calls of a program in lines of shell that are to be typed as they are. */
export function callsInLines(
  program: string,
  lines: readonly { readonly where: string; readonly line: string }[],
): DocumentedCommand[] {
  return lines.flatMap(({ where, line }) =>
    callsIn(line, program).map((words) => ({
      where,
      words: words.filter((word) => word !== '…'),
      isWhole: !words.includes('…'),
    })),
  );
}

/** The lines of a block of code that are typed, each with its number; continued lines are one. */
function typedLines(block: string, first: number): { readonly line: string; readonly number: number }[] {
  const lines: { line: string; number: number }[] = [];
  let continued = '';
  for (const [index, text] of block.split('\n').entries()) {
    const line = `${continued}${text.trim()}`;
    continued = line.endsWith('\\') ? line.slice(0, -1) : '';
    if (continued === '') lines.push({ line, number: first + index });
  }
  const hasPrompt = lines.some(({ line }) => line.startsWith('$ '));
  return lines
    .filter(({ line }) => !hasPrompt || line.startsWith('$ '))
    .map(({ line, number }) => ({
      line: line.replace(/^\$ /, '').replaceAll(/npm run -s certbus --/g, 'certbus'),
      number,
    }));
}

function numberAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}

function commandsInBlocks(file: string, text: string, program: string): DocumentedCommand[] {
  // A function of the shell that runs it as another user.
  const other = /\b(\w+)\(\) \{ runuser -u certbus -- certbus "\$@"; \}/.exec(text)?.[1];
  return [...text.matchAll(/^ *```(\w*)\n(.*?)^ *```/gms)].flatMap(({ 1: language = '', 2: block = '', index }) => {
    if (!['', 'sh', 'console'].includes(language)) return [];
    const lines = typedLines(block, numberAt(text, index) + 1).map(({ line, number }) => ({
      where: `${file}:${number}`,
      line: other === undefined ? line : line.replaceAll(new RegExp(`(?<=^|[;&|{(] *)${other}(?= )`, 'g'), 'certbus'),
    }));
    return callsInLines(program, lines);
  });
}

/** Commands between backticks or quotation marks, in prose and in messages. */
function commandsInText(file: string, text: string, program: string): DocumentedCommand[] {
  const quoted = new RegExp(`(["\`])${program} ([a-z-][^"\`\\n]*)\\1`, 'g');
  return [...text.matchAll(quoted)].map(({ 2: rest = '', index }) => ({
    where: `${file}:${numberAt(text, index)}`,
    words: untilSeparator(shellWords(rest.replaceAll(/\$\{[^}]*\}/g, 'VALUE').replaceAll("'", ''))).filter(
      (word) => word !== '…',
    ),
    isWhole: false,
  }));
}

/** Commands that units of systemd and lines of cron run. */
function commandsInServices(file: string, text: string, program: string): DocumentedCommand[] {
  const lines = text.split('\n').flatMap((line, index) => {
    const [start] = STARTED_BY.exec(line) ?? [];
    return start === undefined ? [] : [{ where: `${file}:${index + 1}`, line: line.slice(start.length) }];
  });
  return callsInLines(program, lines);
}

/** Every command line of a program that documents, files of the packages and messages name. */
export function documentedCommands(program: string): DocumentedCommand[] {
  const read = (file: string) => readFileSync(`${ROOT}/${file}`, 'utf8');
  const isProduct = (file: string) => !/\.(?:test|builders)\.ts$|CHANGELOG/.test(file);
  const documents = globSync(DOCUMENTS, { cwd: ROOT }).filter((file) => isProduct(file) && file !== GENERATED);
  const sources = globSync(SOURCES, { cwd: ROOT }).filter(isProduct);
  return [
    ...documents.flatMap((file) => commandsInBlocks(file, read(file), program)),
    ...sources.flatMap((file) => (file.endsWith('.ts') ? [] : commandsInServices(file, read(file), program))),
    ...[...documents, ...sources].flatMap((file) => commandsInText(file, read(file), program)),
  ];
}

/** What oclif says of a command that lacks something, or has the name of a value in its place. */
const LACKING = /^Missing |Missing required flag|Flag --[\w-]+ expects |^Parsing --[\w-]+ /;

/** What is known of a command by its id, in which `:` is between words. */
export interface KnownCommand {
  readonly aliases?: readonly string[] | undefined;
}

/**
 * Parses commands that documents name; returns what is wrong, a line each.
 *
 * @param parse parses the words behind a command as it does itself; rejects where it would refuse them.
 */
export async function wrongCommands<Command extends KnownCommand>(
  commands: Readonly<Record<string, Command>>,
  documented: readonly DocumentedCommand[],
  parse: (command: Command, words: string[]) => Promise<unknown>,
): Promise<string[]> {
  const known = new Map(
    Object.entries(commands).flatMap(([id, command]) =>
      [id, ...(command.aliases ?? [])].map((each) => [each, command]),
    ),
  );
  const topics = new Set([...known.keys()].filter((id) => id.includes(':')).map((id) => id.split(':')[0] ?? ''));
  const problemOf = async ({ words, isWhole }: DocumentedCommand): Promise<string | undefined> => {
    const [first = '', second = ''] = words;
    if (['', '--version', '--help', '$@'].includes(first)) return undefined;
    const own = known.get(`${first}:${second}`);
    const command = own ?? known.get(first);
    if (command === undefined) return topics.has(first) && second === '' && !isWhole ? undefined : 'is not a command';
    const rest = words.slice(own ? 2 : 1).filter((word) => word !== '--help');
    return parse(command, rest).then(
      () => undefined,
      ({ message }: Error) => (!isWhole && LACKING.test(message) ? undefined : message),
    );
  };
  const problems: string[] = [];
  for (const each of documented) {
    const problem = await problemOf(each);
    if (problem !== undefined) problems.push(`${each.where}: "${each.words.join(' ')}": ${problem}`);
  }
  return problems;
}
