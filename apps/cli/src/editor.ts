/** Lets a person edit a text in the editor of their choice. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CliError } from './errors.ts';

/** A text that is being edited, in a file that only this user can read. */
export interface Draft {
  readonly path: string;
  /** Opens the editor on it, and returns the text once the editor ends. Rejects `CERTBUS_CLI_USAGE` where it fails. */
  edit(): Promise<string>;
  remove(): Promise<void>;
}

/** Leaves Ctrl-C to the program that has the terminal, as git does: in vi it ends the typing, and not the command. Until it is disposed of. */
function leaveInterrupts(): Disposable {
  const own = process.listeners('SIGINT');
  const ignore = () => {};
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.on(signal, ignore);
  for (const each of own) process.off('SIGINT', each);
  return {
    [Symbol.dispose]() {
      for (const each of own) process.on('SIGINT', each);
      for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.off(signal, ignore);
    },
  };
}

/** Writes a text into a file of its own, to be edited. `editor` is a command line, such as `code --wait`. */
export async function openDraft(
  text: string,
  { name, editor }: { readonly name: string; readonly editor: string },
): Promise<Draft> {
  const folder = await mkdtemp(join(tmpdir(), 'certbus-'));
  const path = join(folder, name);
  await writeFile(path, text, { mode: 0o600, flag: 'wx' });
  return {
    path,
    async edit() {
      using _ = leaveInterrupts();
      // As git and others do: the variable can have arguments, and the shell splits them. Ctrl-C goes to the shell as well.
      const script = `trap : INT QUIT; ${editor} "$1"`;
      const child = spawn('/bin/sh', ['-c', script, 'certbus', path], { stdio: 'inherit' });
      const [status] = await once(child, 'close');
      if (status === 0) return readFile(path, 'utf8');
      throw new CliError(
        'CERTBUS_CLI_USAGE',
        `The editor (${editor}) ended with status ${status}. Nothing was changed.`,
      );
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
