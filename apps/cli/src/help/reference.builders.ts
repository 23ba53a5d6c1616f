/** Writes the reference of all commands, `docs/commands.md`, from the commands themselves. */
import type { Command } from '@oclif/core';
import { BaseCommand } from '../base-command.ts';
import { EXIT_MEANINGS } from '../exit-status.ts';
import { usageOf } from '../usage-error.ts';
import { GROUPS, groupOf } from './groups.ts';

/** A command's id as it is typed. */
export const asTyped = (id: string) => id.replaceAll(':', ' ');

/** Text in a cell of a table: a bar would end it. */
const cell = (text: string | undefined): string => (text ?? '').replaceAll('|', '\\|').replaceAll('*', '\\*');

export type Flag = Command.Class['flags'][string];

/** What a flag is where it is not given, and the variable that sets it, where its description does not say so. */
export function otherwise({ description = '', type, env, ...flag }: Flag): string {
  const value = 'default' in flag && typeof flag.default !== 'function' ? flag.default : undefined;
  const isShown = value !== undefined && !description.includes('default ') && (type === 'option' || value === true);
  const shown = type === 'boolean' ? 'yes' : `\`${[value].flat().join(', ')}\``;
  return `${isShown ? `; default ${shown}` : ''}${env ? `; also \`${env}\`` : ''}`;
}

function flagRow([name, flag]: readonly [string, Flag]): string {
  const { char, description } = flag;
  const value = flag.type === 'option' ? ` ${flag.options ? flag.options.join('\\|') : 'VALUE'}` : '';
  const no = flag.type === 'boolean' && flag.allowNo ? ' or `--no-…`' : '';
  return `| ${char ? `\`-${char}\`, ` : ''}\`--${name}${value}\`${no} | ${cell(description)}${otherwise(flag)} |`;
}

function flagTable(flags: Readonly<Record<string, Flag>>): string[] {
  const rows = Object.entries(flags).filter(([, { hidden }]) => !hidden);
  return rows.length === 0 ? [] : ['', '| flag | what it does |', '| --- | --- |', ...rows.map(flagRow)];
}

/** An example as it is typed. */
export const exampleOf = (id: string, example: Command.Example): string =>
  String(example).replaceAll('<%= config.bin %>', 'certbus').replaceAll('<%= command.id %>', asTyped(id));

/** Flags that not every command takes, and that are not its own alone. */
export function inherited({ baseFlags = {} }: Command.Class): Readonly<Record<string, Flag>> {
  return Object.fromEntries(Object.entries(baseFlags).filter(([name]) => !(name in BaseCommand.baseFlags)));
}

function sectionOf([id, command]: readonly [string, Command.Class]): string[] {
  const { summary = '', description = '', args = {}, flags = {}, aliases, examples = [], enableJsonFlag } = command;
  const name = `certbus ${asTyped(id)}`;
  const shown = Object.values(args).filter((arg) => arg.description);
  return [
    '',
    `### ${name}`,
    '',
    cell([summary, description].filter(Boolean).join(' ')),
    ...(aliases.length > 0 ? ['', `Also: ${aliases.map((alias) => `\`certbus ${asTyped(alias)}\``).join(', ')}.`] : []),
    ...(enableJsonFlag ? [] : ['', 'It has no `--json`.']),
    '',
    '```',
    usageOf({ name, args }),
    '```',
    ...(shown.length > 0 ? ['', '| argument | what it is |', '| --- | --- |'] : []),
    ...Object.entries(args).flatMap(([arg, { description: what, options }]) =>
      what ? [`| \`${arg.toUpperCase()}\` | ${cell(what)}${options ? `: ${options.join(', ')}` : ''} |`] : [],
    ),
    ...flagTable({ ...flags, ...inherited(command) }),
    '',
    '```',
    ...examples.map((example) => `$ ${exampleOf(id, example)}`),
    '```',
  ];
}

/** The reference, in Markdown. */
export function referenceOf(commands: readonly (readonly [string, Command.Class])[]): string {
  const shown = commands.filter(([, { hidden }]) => !hidden);
  const lines = [
    '# Commands',
    '',
    'Written from the code: `CERTBUS_CONTRACT=write vitest run apps/cli/src/help/help.test.ts` writes it again. `certbus help COMMAND` shows the same, and `man certbus-COMMAND` where the package is installed.',
    '',
    'Every command takes these; those that show something also take `--json`, which has [one shape](errors.md#what---json-prints).',
    ...flagTable(BaseCommand.baseFlags),
    '',
    '## Exit statuses',
    '',
    '| status | meaning |',
    '| --- | --- |',
    ...EXIT_MEANINGS.map(([status, meaning]) => `| ${status} | ${meaning} |`),
    ...GROUPS.flatMap(([title]) => [
      '',
      `## ${title[0]}${title.slice(1).toLowerCase()}`,
      ...shown
        .filter(([id]) => groupOf(id) === title)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .flatMap(sectionOf),
    ]),
  ];
  return `${lines.join('\n')}\n`;
}
