/** Runs commands on terminals and in pipes, and writes what they show as text that is the same in each run. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { openTerminal, type TerminalSession } from 'certbus-services';
import { bundledCommandLine, isFull } from 'certbus-services/vitest';
import { expect } from 'vitest';

/** Where a command writes to: a terminal of so many columns, or a pipe. */
export type Place = 80 | 160 | 'piped';

/** All of them, in their order. */
export const PLACES: readonly Place[] = [80, 160, 'piped'];

/** The site that commands run on. */
export interface Site {
  /** The folder of its configuration; commands run there. */
  readonly folder: string;
  /** What differs from run to run, and what stands for it: of the same length, or columns would move. */
  readonly known: Map<string, string>;
}

/** A pattern of characters between which a terminal may end a line. */
const wrapped = (...characters: readonly string[]): RegExp => new RegExp(characters.join('\\n?'), 'g');

const characters = (count: number, each: string): string[] => Array.from({ length: count }, () => each);
const digits = (count: number): string[] => characters(count, '\\d');
const DAY = [...digits(4), '-', ...digits(2), '-', ...digits(2)];
const TIME = [...digits(2), ':', ...digits(2)];

const SAME_LENGTH: readonly (readonly [RegExp, string])[] = [
  [wrapped(...DAY, 'T', ...TIME, ':', ...digits(2), '\\.', ...digits(3), 'Z'), '2026-01-02T03:04:05.678Z'],
  [wrapped(...DAY, ' ', ...TIME), '2026-01-02 03:04'],
  [/(?<=(?:127\.0\.0\.1|localhost):)\d(?:\n?\d){4}/g, '54321'],
  [/\b[0-9A-F](?:\n?[0-9A-F]){15,39}\b(?!>)/g, '0'],
  [wrapped('a', 'g', 'e', '1', ...characters(58, '[a-z\\d]')), 'age1'],
  [wrapped('(?<![\\w-])', ...characters(64, '[\\da-f]'), '(?![\\w-])'), '0'],
  [wrapped('(?<![\\w-])', ...characters(43, '[\\w-]'), '(?![\\w-])'), '0'],
  [/(?<=\/acme\/\w+\/)[\w-](?:\n?[\w-]){21}/g, '1'],
  [wrapped(...'issuanceId=', ...characters(11, '[\\w-]')), 'issuanceId=id000000000'],
  [/\b[\dA-F]\n?[\dA-F](?:\n?:(?:\n *)?[\dA-F]\n?[\dA-F]){31}/g, '00:'],
  [/(?<=AGE-SECRET-KEY-1)[A-Z\d](?:\n?[A-Z\d]){57}/g, '0'],
  [/(?<=CERTBUS-SIGNING-KEY-1-)[\w-](?:\n?[\w-]){42}/g, '0'],
  [/(?<=SHA-256 )[\w+/](?:\n?[\w+/]){42}(?==)/g, '0'],
  [/(?<= has )\d{6}(?= bytes)/g, '1'],
  [/(?<=Intermediate \d )[\da-f]{6}\b/g, '0'],
  // Cells that a table has cut.
  [/(?<=127\.0\.0\.1:)\d{1,4}(?=…)/g, '54321'],
  [/\bage1[a-z\d]+(?=…)/g, 'age1'],
  [/(?<=\/acme\/\w+\/)[\w-]+(?=…)/g, '1'],
  [/(?<= {2})(?!age1)[\w-]{6,42}(?=…)/g, '0'],
];

const [PEM_BEGINS, PEM_ENDS] = ['BEGIN', 'END'].map((word) => wrapped(...`-----${word} CERTIFICATE-----`).source);
/** What has another length in each run, and moves nothing but the end of its own line. */
const OTHER_LENGTH: readonly (readonly [RegExp, string])[] = [
  [/^certbus\/\S+ \S+ node-v\S+$/gm, 'certbus/1.2.3 linux-x64 node-v24.0.0'],
  [wrapped(...'within ', '\\d+', ...' s of'), 'within 1 s of'],
  [new RegExp(`${PEM_BEGINS}[\\s\\S]*?${PEM_ENDS}[\\\\n\\n]*(?=")`, 'g'), 'PEM'],
];

/** What takes longer on a busy machine stands at the end of a line, where its length does not matter. */
const ELAPSED = /\((?:\d+ h \d+ min|\d+ min \d+ s|\d+ s)\)$/gm;
/** A CA says whole seconds, and a busy machine hears of them late. */
const SKEW = /within \d+ s of the CA's/g;
/** A server that ends at once can have heard of the bus before. */
const CAUGHT_UP = /^(?:2> )?caught up with the bus, at position \d+\n/gm;
/** What only a busy machine waits for long enough to be told. */
const STILL_WAITING = /^.*: still waiting: .*\n/gm;
/** A service can have written that it is there before a Ctrl-C comes, and the next one is further on. */
const READY_AT = /(?<=ready, at position )\d+(?= of the bus)/g;
const WEEKDAY = /\b(?:Sun|Mon|Tues|Wednes|Thurs|Fri|Satur)day(?= 2026-01-02)/g;

/** A text of the same length, and with the same ends of lines and indents, that stands for another one. */
function fill(placeholder: string, found: string): string {
  const letters = placeholder.replaceAll(' ', '');
  let at = 0;
  return found.replaceAll(/\S/g, () => letters.charAt(at++ % letters.length));
}

/** A text as it is the same in each run. */
function normalize(text: string, { folder, known }: Site): string {
  let same = text.replaceAll(folder, '/srv/certbus');
  for (const [value, placeholder] of known)
    same = same.replaceAll(wrapped(...value), (found) => fill(placeholder, found));
  for (const [pattern, placeholder] of SAME_LENGTH)
    same = same.replaceAll(pattern, (found) => fill(placeholder, found));
  for (const [pattern, placeholder] of OTHER_LENGTH) same = same.replaceAll(pattern, placeholder);
  return same
    .replaceAll(ELAPSED, '(1 s)')
    .replaceAll(SKEW, "within 1 s of the CA's")
    .replaceAll(WEEKDAY, 'Friday')
    .replaceAll(READY_AT, '6')
    .replaceAll(CAUGHT_UP, '')
    .replaceAll(STILL_WAITING, '');
}

/** What comes behind it is the file that a command in a pipe reads. */
const FROM_FILE = '<';

const envOf = ({ folder }: Site, program: string) => ({
  HOME: folder,
  EDITOR: EDITS,
  CERTBUS_STATE_DIR: join(folder, 'state'),
  NODE_COMPILE_CACHE: join(dirname(program), 'compiled'),
});

/** What stands for a person with an editor: it changes one line. */
const EDITS = `sed -i 's/"giveUpAfterDays": 3/"giveUpAfterDays": 4/'`;

async function programOf(): Promise<readonly string[]> {
  return [process.execPath, '--conditions=certbus:source', await bundledCommandLine()];
}

/**
 * Starts a command on a terminal, to answer what it asks.
 *
 * @param options.variables of its environment, besides those of each command.
 */
export async function startOnTerminal(
  site: Site,
  columns: number,
  args: readonly string[],
  { variables = {} }: { readonly variables?: Readonly<Record<string, string>> } = {},
): Promise<TerminalSession> {
  const program = await programOf();
  const env = { ...envOf(site, program.at(-1) ?? ''), ...variables };
  return openTerminal([...program, ...args], { columns, cwd: site.folder, env });
}

interface Shown {
  readonly text: string;
  readonly status: number;
}

async function showOnTerminal(site: Site, columns: number, args: readonly string[]): Promise<Shown> {
  await using terminal = await startOnTerminal(site, columns, args);
  const status = await terminal.ended();
  return { text: await terminal.screen(), status };
}

async function showPiped(site: Site, args: readonly string[]): Promise<Shown> {
  const from = args.indexOf(FROM_FILE);
  const own = from < 0 ? args : args.slice(0, from);
  const input = from < 0 ? '' : readFileSync(join(site.folder, args[from + 1] ?? ''));
  const [node = '', ...rest] = await programOf();
  const env = { PATH: process.env['PATH'], ...envOf(site, rest.at(-1) ?? '') };
  return new Promise((resolve) => {
    const child = execFile(node, [...rest, ...own], { cwd: site.folder, env, maxBuffer: 1e8 }, (_, stdout, stderr) => {
      const errors = stderr.trimEnd().replaceAll(/^(?=.)/gm, '2> ');
      resolve({ text: [stdout.trimEnd(), errors].filter(Boolean).join('\n'), status: child.exitCode ?? -1 });
    });
    child.stdin?.end(input);
  });
}

/**
 * Runs a service at a place until Ctrl-C, which comes once something is shown, and returns its part of the transcript.
 *
 * @param options.until what is shown.
 */
export async function showService(
  site: Site,
  place: Place,
  args: readonly string[],
  { until }: { readonly until: string },
): Promise<string> {
  const title = `${titleOf(args, place)}, then Ctrl-C`;
  if (place === 'piped') {
    const [node = '', ...rest] = await programOf();
    const env = { PATH: process.env['PATH'], ...envOf(site, rest.at(-1) ?? '') };
    const child = spawn(node, [...rest, ...args], { cwd: site.folder, env });
    let text = '';
    let isStopped = false;
    for (const [stream, mark] of [
      [child.stdout, ''],
      [child.stderr, '2> '],
    ] as const)
      createInterface({ input: stream }).on('line', (line) => {
        text += `${mark}${line}\n`;
        if (!isStopped && line.includes(until)) isStopped = child.kill('SIGINT');
      });
    const [status] = await once(child, 'close');
    return partOf(title, { text: text.trimEnd(), status }, site);
  }
  await using terminal = await startOnTerminal(site, place, args);
  await terminal.waitFor(until);
  await terminal.press('C-c');
  const status = await terminal.ended();
  return partOf(title, { text: await terminal.screen(), status }, site);
}

/** A word as it is typed. */
const typed = (word: string): string => (/^[\w@%+=:,./<-]+$/.test(word) ? word : `'${word}'`);

/** Heads a part of the transcript: what was typed, and where. */
export const titleOf = (args: readonly string[], place: Place): string =>
  `=== certbus ${args.map(typed).join(' ')} (${place === 'piped' ? 'piped' : `${place} columns`})`;

/** One part of the transcript. */
export function partOf(title: string, { text, status }: Shown, site: Site): string {
  return `${title}\n${normalize(text, site)}\n[exits ${status}]\n`;
}

/**
 * Runs a command at a place, and returns its part of the transcript. Standard error is marked where it is a pipe of its own.
 *
 * @param options.title what the part shows as typed. Default: what is typed.
 * @param options.learn adds to what is known of the site, once the command has ended.
 */
export async function show(
  site: Site,
  place: Place,
  args: readonly string[],
  { title = args, learn }: { readonly title?: readonly string[]; readonly learn?: () => Promise<void> } = {},
): Promise<string> {
  const shown = place === 'piped' ? await showPiped(site, args) : await showOnTerminal(site, place, args);
  await learn?.();
  return partOf(titleOf(title, place), shown, site);
}

/** The parts of a transcript by their titles. */
function partsOf(transcript: string): Map<string, string> {
  const parts = transcript.split(/^(?==== )/m).filter((part) => part.startsWith('=== '));
  return new Map(parts.map((part) => [part.slice(0, part.indexOf('\n')), `${part.trimEnd()}\n`]));
}

const isWriting = process.env['CERTBUS_CONTRACT'] === 'write' && isFull;

/** A file with what commands show, which people review. A full run with `CERTBUS_CONTRACT=write` puts what is shown now into it. */
export function openTranscript(file: string): {
  /** The titles of its parts. */
  readonly titles: readonly string[];
  /** Compares a part with the one that is kept. */
  hold(part: string): void;
} {
  const kept = partsOf(readFileSync(file, 'utf8'));
  return {
    titles: [...kept.keys()],
    hold(part) {
      const title = part.slice(0, part.indexOf('\n'));
      if (!isWriting) {
        expect(part).toBe(kept.get(title));
        return;
      }
      kept.set(title, part);
      const titles = [...kept.keys()].sort();
      writeFileSync(file, titles.map((each) => kept.get(each)).join('\n'));
    },
  };
}
