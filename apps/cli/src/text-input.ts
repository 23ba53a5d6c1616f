/** Reads a text that a person wrote or a program made: a file that a command names, or what comes on standard input. */
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { describeFileProblem, textOf } from '@certbus/store/sqlite-files';
import { CliError } from './errors.ts';

/**
 * The text of a file, however large, or of a pipe that a shell made; of standard input where `from` is `-`. Without a byte order mark. Rejects
 * `CERTBUS_CLI_FILE_PROBLEM` for a file that cannot be read, and `CERTBUS_CLI_USAGE` where standard input is a terminal.
 *
 * @param usage how the command is called with `-`.
 */
export async function readText(from: string, { usage }: { readonly usage: string }): Promise<string> {
  if (from === '-') return readStandardInput({ usage });
  try {
    return textOf(await readFile(from));
  } catch (cause) {
    throw new CliError('CERTBUS_CLI_FILE_PROBLEM', `${from}: ${describeFileProblem(cause, from)}.`, { cause });
  }
}

/** The text on standard input, without a byte order mark. Rejects `CERTBUS_CLI_USAGE` where it is a terminal. */
export async function readStandardInput({ usage }: { readonly usage: string }): Promise<string> {
  if (process.stdin.isTTY)
    throw new CliError('CERTBUS_CLI_USAGE', `Standard input is a terminal. Give it a file: ${usage}`);
  return textOf(await buffer(process.stdin));
}
