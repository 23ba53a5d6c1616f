/** What a guide shows of a terminal: its commands and their output, and whether a run printed the same. */

/** A command of a guide, and what the guide says that it prints. */
export interface Shown {
  /** As it is typed, without the prompt; several lines where the guide breaks it. */
  readonly command: string;
  readonly output: string;
}

const BLOCK = /^```console\n(.*?)^```$/gms;

function parseBlock(block: string): Shown[] {
  const shown: { command: string; output: string }[] = [];
  let isOpen = false;
  for (const line of block.split('\n').slice(0, -1)) {
    const last = shown.at(-1);
    if (line.startsWith('$ ')) shown.push({ command: line.slice(2), output: '' });
    else if (last === undefined) throw new Error(`a block begins without a command: ${line}`);
    else if (isOpen) last.command += `\n${line}`;
    else last.output += `${line}\n`;
    isOpen = line.endsWith('\\') && (isOpen || line.startsWith('$ '));
  }
  return shown;
}

/** All commands of a guide, in their order: those of its `console` blocks. */
export const commandsOf = (page: string): Shown[] =>
  [...page.matchAll(BLOCK)].flatMap(([, block = '']) => parseBlock(block));

/** What differs between two runs, and what is in its place where they are compared. */
const VARYING: readonly (readonly [RegExp, string])[] = [
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, 'INSTANT'],
  [/\b\d{4}-\d\d-\d\d \d\d:\d\d\b/g, 'TIME'],
  [/\b\d{4}-\d\d-\d\d\b/g, 'DATE'],
  // How often it is said depends on how long that takes.
  [/^.*: still waiting: .*\n/gm, ''],
  [/\b[\da-f]{64}\b/g, 'DIGEST'],
  [/\/\d{12}\//g, '/POSITION/'],
  [/\bage1[\da-z]{58}\b/g, 'RECIPIENT'],
  // A claim that is held for more than a minute is written again.
  [/\bposition("?:| )\d+/g, 'position$1N'],
  [/\b[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}\b/g, 'UUID'],
  [/\bcertbus-(\w+)-[\da-zA-Z]{12,}\b/g, 'certbus-$1-ID'],
  [/(?<![\w+/])[\w+/]{43}=/g, 'SHA'],
  [/\b\d+ bytes\b/g, 'N bytes'],
  [/"durationMs":\d+/g, '"durationMs":N'],
  [/\bv\d+\.\d+\.\d+\b/g, 'VERSION'],
  [/\b[\w-]+-(?:x64|arm64)\b/g, 'MACHINE'],
  [/\/acme\/(\w+)\/[\w-]+/g, '/acme/$1/ID'],
  [/(?<![\w-])[\w-]{43}(?![\w-])/g, 'HASH'],
  [/\b[0-9A-F]{14,40}\b/g, 'SERIAL'],
  [/\b(?:[0-9A-F]{2}:){31}[0-9A-F]{2}\b/g, 'FINGERPRINT'],
  [/\bIntermediate \d \w+/g, 'INTERMEDIATE'],
  // What takes seconds takes minutes on a busy machine.
  [/\(\d+ (?:h \d\d min|min \d\d s)\)$/gm, '(N s)'],
  [/\b\d+(?:\.\d+)? (ms|s|kB|MB|GB)\b/g, 'N $1'],
  [/ +$/gm, ''],
  [/ {2,}/g, ' '],
];

const withoutVarying = (output: string): string =>
  VARYING.reduce((text, [pattern, word]) => text.replace(pattern, word), output);

/** As long as an id: some ids are nothing but small letters, as words are. */
const ID = /(?<![\w-])[\w-]{11}(?![\w-])/g;

/**
 * The outputs of two runs with a word in place of everything that no two runs have in common: ids, instants, hashes.
 * Runs of spaces are one. What is as long as an id and printed by both runs is a word.
 */
export function comparable(one: readonly string[], other: readonly string[]): [string[], string[]] {
  const withoutIds = (outputs: readonly string[], others: readonly string[]) => {
    const words = new Set(others.flatMap((output) => output.match(ID) ?? []));
    return outputs.map((output) => output.replace(ID, (found) => (words.has(found) ? found : 'ID')));
  };
  const [first, second] = [one.map(withoutVarying), other.map(withoutVarying)];
  return [withoutIds(first, second), withoutIds(second, first)];
}

/** The page with these outputs, command by command. */
export function withOutputs(page: string, outputs: readonly string[]): string {
  let index = 0;
  return page.replaceAll(BLOCK, (_, block: string) => {
    const lines = parseBlock(block).map(({ command }) => `$ ${command}\n${outputs[index++] ?? ''}`);
    return `\`\`\`console\n${lines.join('')}\`\`\``;
  });
}

/**
 * Puts something in the place of each of some words, of all at once: what came to a place is not looked at again. A word that ends with a number ends
 * there, so that a port is not the beginning of another one.
 */
export function replacing(places: readonly (readonly [string, string])[]): (text: string) => string {
  const byWord = new Map(places);
  const words = places.map(([word]) => word.replaceAll(/[^\w/ -]/g, '\\$&'));
  const anyWord = new RegExp(`(?:${words.join('|')})(?!(?<=\\d)\\d)`, 'g');
  return (text) => text.replaceAll(anyWord, (word) => byWord.get(word) ?? word);
}
