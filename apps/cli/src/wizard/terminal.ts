/** Asks questions until each has an answer that makes sense. */
import { didYouMean, similarTo } from '../did-you-mean.ts';
import { CliError } from '../errors.ts';
import type { Prompt } from '../prompt.ts';

/** Where questions are asked. */
export interface Terminal extends Pick<Prompt, 'ask'> {
  /** Prints a line. */
  print(line: string): void;
}

/** A question with a line as its answer. */
export interface Question<T> {
  readonly text: string;
  /** What an empty line means. Default: nothing, so that it is an answer like others. */
  readonly otherwise?: string | undefined;
  /** Makes something of the answer. Throws where it makes no sense; the message says what does. */
  readonly parse: (answer: string) => T;
}

/** Something to choose, by its number or its name. */
export interface Choice {
  readonly name: string;
  readonly label: string;
}

/** Asks until the answer makes sense: what was answered before stays. */
export async function askUntilValid<T>(terminal: Terminal, { text, otherwise, parse }: Question<T>): Promise<T> {
  for (;;) {
    const answer = await terminal.ask(text, otherwise);
    try {
      return parse(answer);
    } catch (error) {
      terminal.print(error instanceof Error ? error.message : String(error));
    }
  }
}

function chosen(answer: string, choices: readonly Choice[]): string {
  const byNumber = /^\d+$/.test(answer) ? choices[Number(answer) - 1] : undefined;
  const found = byNumber ?? choices.find(({ name }) => name === answer.toLowerCase());
  if (found) return found.name;
  const names = choices.map(({ name }) => name);
  const message = `"${answer}" is not in the list.${didYouMean(similarTo(answer, names))} Type a number from 1 to ${names.length}, or a name.`;
  throw new CliError('CERTBUS_CLI_USAGE', message);
}

/** Shows a list, and asks for one of it: its number, or its name. The first is what an empty line means. */
export function askForOne(terminal: Terminal, text: string, choices: readonly Choice[]): Promise<string> {
  const width = Math.max(...choices.map(({ name }) => name.length));
  terminal.print(`\n${text}`);
  for (const [index, { name, label }] of choices.entries())
    terminal.print(`  ${String(index + 1).padStart(2)}  ${name.padEnd(width)}  ${label}`);
  return askUntilValid(terminal, { text: 'Which?', otherwise: '1', parse: (answer) => chosen(answer, choices) });
}

/** Asks yes or no; nothing else is an answer. */
export function askYesOrNo(terminal: Terminal, text: string): Promise<boolean> {
  return askUntilValid(terminal, {
    text: `${text} (y/n)`,
    parse(answer) {
      if (/^y(es)?$/i.test(answer)) return true;
      if (/^no?$/i.test(answer)) return false;
      throw new CliError('CERTBUS_CLI_USAGE', 'Type y or n.');
    },
  });
}
