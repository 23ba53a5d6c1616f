/** Asks the person at the terminal. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { createInterface as createAsker } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { breakLines } from './break-line.ts';
import { CliError } from './errors.ts';

/** Whether a person sits at the other end. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

const declined = (): CliError => new CliError('CERTBUS_CLI_DECLINED', 'Nothing was changed.');

/** The terminal, while questions are asked on it. */
export interface Prompt {
  /**
   * Asks for a line; an empty one is the default. Rejects with the signal's reason, and `CERTBUS_CLI_DECLINED` where the input ends, as by
   * Ctrl-D.
   */
  ask(question: string, otherwise?: string): Promise<string>;
  close(): void;
}

/** Opens the terminal for questions. Lines that were typed ahead are kept. Ctrl-C is the command's. */
export function openPrompt(signal: AbortSignal): Prompt {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // A terminal in raw mode sends no signal.
  terminal.on('SIGINT', () => process.emit('SIGINT'));
  const lines = terminal[Symbol.asyncIterator]();
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => {});
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  return {
    async ask(question, otherwise = '') {
      signal.throwIfAborted();
      const asked = otherwise ? `${question} [${otherwise}]` : question;
      terminal.setPrompt(`${breakLines(asked, { window: process.stderr.columns })} `);
      terminal.prompt();
      const line = await Promise.race([lines.next(), aborted.promise]);
      if (line.done) throw declined();
      return line.value.trim() || otherwise;
    },
    close() {
      signal.removeEventListener('abort', abort);
      terminal.close();
    },
  };
}

/** Asks for a line that is not shown as it is typed. Rejects as {@link Prompt.ask} does. */
export async function askSecret(question: string, signal: AbortSignal): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  process.stderr.write(`${question} `);
  const terminal = createAsker({ input: process.stdin, output: nowhere, terminal: true });
  // A terminal in raw mode sends no signal.
  terminal.on('SIGINT', () => process.emit('SIGINT'));
  const closed = once(terminal, 'close').then(() => {
    throw declined();
  });
  closed.catch(() => {});
  try {
    return await Promise.race([terminal.question('', { signal }), closed]);
  } catch (error) {
    signal.throwIfAborted();
    // Ctrl-D, of which not every Node says so.
    throw error instanceof Error && error.name === 'AbortError' ? declined() : error;
  } finally {
    terminal.close();
    process.stderr.write('\n');
  }
}

/** Asks yes or no; an empty line is no. */
export async function confirm(question: string, signal: AbortSignal): Promise<boolean> {
  const prompt = openPrompt(signal);
  try {
    return /^y(es)?$/i.test(await prompt.ask(`${question} (y/N)`));
  } finally {
    prompt.close();
  }
}
