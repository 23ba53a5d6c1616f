/** Asks the person at the terminal. */
import { createInterface } from 'node:readline/promises';

/** Whether a person sits at the other end. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/** Asks for a line; an empty one is the default. */
export async function ask(question: string, signal: AbortSignal, otherwise = ''): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(otherwise ? `${question} [${otherwise}] ` : `${question} `, { signal });
    return answer.trim() || otherwise;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    terminal.close();
  }
}

/** Asks yes or no; an empty line is no. */
export async function confirm(question: string, signal: AbortSignal): Promise<boolean> {
  return /^y(es)?$/i.test(await ask(`${question} (y/N)`, signal));
}
