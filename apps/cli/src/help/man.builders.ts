/** Writes the man pages, `apps/cli/man`, from the commands themselves: the same facts as `docs/commands.md`. */
import type { Command } from '@oclif/core';
import { BaseCommand } from '../base-command.ts';
import { EXIT_MEANINGS } from '../exit-status.ts';
import { usageOf } from '../usage-error.ts';
import { GROUPS, groupOf } from './groups.ts';
import { PAGES } from './pages.ts';
import { asTyped, exampleOf, type Flag, inherited, otherwise } from './reference.builders.ts';

type Commands = readonly (readonly [string, Command.Class])[];

/** Text for troff: no backslash that is taken for a command, no dash that becomes a hyphen, and no line that begins like a request. */
const text = (words: string): string =>
  words
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('`', '')
    .replaceAll(/^([.'])/gm, '\\&$1')
    .trim();

const bold = (words: string): string => `\\fB${text(words)}\\fR`;

/** A section below its heading, which begins a paragraph of its own. */
const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [`.SH ${title}`, ...(lines[0] === '.PP' ? lines.slice(1) : lines)];

/** A word and what it means, indented below it. */
const entry = (term: string, meaning: string): string[] => ['.TP', term, text(meaning)];

/** Lines as they are, in a block. */
const verbatim = (lines: readonly string[]): string[] => ['.PP', '.nf', '.RS 4', ...lines.map(text), '.RE', '.fi'];

/** What begins each page. It has no date: it is written from the code, and the same code writes the same page. */
const heading = (name: string, summary: string): string[] => [
  `.TH ${text(name.replaceAll(' ', '-').toUpperCase())} 1 "" certbus "CertBus"`,
  ...section('NAME', [`${text(name.replaceAll(' ', '-'))} \\- ${text(summary.replace(/\.$/, ''))}`]),
];

function flagEntry([name, flag]: readonly [string, Flag]): string[] {
  const words = [...(flag.char ? [`-${flag.char}`] : []), `--${name}`].map(bold).join(', ');
  const value = flag.type === 'option' ? ` \\fI${text(flag.options?.join('|') ?? 'VALUE')}\\fR` : '';
  const no = flag.type === 'boolean' && flag.allowNo ? `, ${bold(`--no-${name}`)}` : '';
  return entry(`${words}${no}${value}`, `${flag.description ?? ''}${otherwise(flag)}`);
}

const flagEntries = (flags: Readonly<Record<string, Flag>>): string[] =>
  Object.entries(flags)
    .filter(([, { hidden }]) => !hidden)
    .flatMap(flagEntry);

function pageOf([id, command]: readonly [string, Command.Class]): string[] {
  const { summary = '', description = '', args = {}, flags = {}, aliases, examples = [], enableJsonFlag } = command;
  const name = `certbus ${asTyped(id)}`;
  const known = Object.entries(args).filter(([, { description: what }]) => what);
  const also = aliases.map((alias) => `certbus ${asTyped(alias)}`).join(', ');
  return [
    ...heading(name, summary),
    ...section('SYNOPSIS', [bold(usageOf({ name, args }))]),
    ...section('DESCRIPTION', [
      text([summary, description].filter(Boolean).join(' ')),
      ...(also ? ['.PP', text(`Also: ${also}.`)] : []),
    ]),
    ...section(
      'ARGUMENTS',
      known.flatMap(([arg, { description: what = '', options }]) =>
        entry(bold(arg.toUpperCase()), `${what}${options ? `: ${options.join(', ')}` : ''}`),
      ),
    ),
    ...section('OPTIONS', [
      ...flagEntries({ ...flags, ...inherited(command) }),
      ...(enableJsonFlag ? entry(bold('--json'), 'print one JSON object, in the shape of all commands') : []),
      '.PP',
      `${bold('--config')}, ${bold('--quiet')} and the other options of every command, and the exit statuses, are in`,
      '.BR certbus (1).',
    ]),
    ...section('EXAMPLES', verbatim(examples.map((example) => `$ ${exampleOf(id, example)}`))),
    ...section('SEE ALSO', ['.BR certbus (1)']),
  ];
}

/** A page of `certbus help`, without its heading. */
const helpPage = (name: string): string[] =>
  section(name.toUpperCase(), verbatim((PAGES[name]?.text ?? '').split('\n').slice(2, -1)));

function overview(commands: Commands): string[] {
  const listed = GROUPS.flatMap(([title]) => [
    `.SS ${text(title[0] + title.slice(1).toLowerCase())}`,
    ...commands
      .filter(([id]) => groupOf(id) === title)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([id, { summary = '' }]) => [
        '.TP',
        `.BR ${text(`certbus-${id.replaceAll(':', '-')}`)} (1)`,
        text(summary),
      ]),
  ]);
  return [
    ...heading('certbus', 'manage the TLS certificates of a fleet of load balancers'),
    ...section('SYNOPSIS', [bold('certbus COMMAND [FLAGS]')]),
    ...section('DESCRIPTION', [
      text(
        'CertBus keeps the TLS certificates of a fleet of load balancers up to date. A manager, this program, issues and renews them and appends what happened to a bus; load balancers follow the bus and serve what it says.',
      ),
    ]),
    ...section('COMMANDS', listed),
    ...section('OPTIONS', flagEntries(BaseCommand.baseFlags)),
    ...['environment', 'files', 'formats'].flatMap(helpPage),
    ...section(
      'EXIT STATUS',
      EXIT_MEANINGS.flatMap(([status, meaning]) => entry(bold(String(status)), meaning)),
    ),
  ];
}

/** All man pages, by the names of their files. */
export function manPagesOf(commands: Commands): ReadonlyMap<string, string> {
  const shown = commands.filter(([, { hidden }]) => !hidden);
  const pages: [string, string[]][] = shown.map((command) => [
    `certbus-${command[0].replaceAll(':', '-')}.1`,
    pageOf(command),
  ]);
  pages.push(['certbus.1', overview(shown)]);
  return new Map(pages.map(([file, lines]) => [file, `${lines.join('\n')}\n`]));
}
