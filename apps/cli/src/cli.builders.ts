/** Runs `certbus` as a process, for tests. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { bundledCommandLine } from 'certbus-services/vitest';

/** How a run of the command line ended. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a command with `--json` found or did. Throws where it failed without a result. */
export function resultOf({ stdout }: Pick<Ended, 'stdout'>): ReturnType<typeof JSON.parse> {
  const answer = JSON.parse(stdout);
  if (answer.result === null) throw new Error(stdout);
  return answer.result;
}

/** Opens a pipe, and closes its end for reading. */
const UNREAD = 'mkfifo unread && exec 3<>unread 1>unread && exec 3<&- && rm unread && exec "$@"';

let bundled: Promise<string> | undefined;

/** Runs `certbus` as a user does: a process of its own, in a folder, with nothing of ours in its environment. */
export async function certbus(
  folder: string,
  args: readonly string[],
  {
    env = {},
    input = '',
    isDiskFull = false,
    interruptAt,
    interruptOn,
    interruptBy = 'SIGINT',
    killAt,
    unreadFrom,
    stdoutFull = false,
    isUnread = false,
    bin,
  }: {
    readonly env?: Readonly<Record<string, string>>;
    readonly input?: string;
    /** No byte goes into any file. Default false. */
    readonly isDiskFull?: boolean;
    /** Ctrl-C, once this is on standard output or standard error. */
    readonly interruptAt?: string;
    /** Ctrl-C, once this resolves. */
    readonly interruptOn?: Promise<unknown>;
    /** Another signal in the place of Ctrl-C's. */
    readonly interruptBy?: 'SIGINT' | 'SIGTERM' | 'SIGHUP';
    /** SIGKILL, once this is on standard output or standard error. */
    readonly killAt?: string;
    /** Nobody reads its output any more, once this is on standard output or standard error. */
    readonly unreadFrom?: string;
    /** No byte goes to standard output. Default false. */
    readonly stdoutFull?: boolean;
    /** Nobody reads its standard output, from the beginning. Default false. */
    readonly isUnread?: boolean;
    /** The program. Default: these sources, bundled. */
    readonly bin?: string;
  } = {},
): Promise<Ended> {
  bundled ??= bundledCommandLine();
  const program = bin ?? (await bundled);
  const own = {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    CERTBUS_STATE_DIR: `${folder}/state`,
    NO_COLOR: '1',
    // Every call is a process: what the first one compiled, the others load.
    NODE_COMPILE_CACHE: isDiskFull ? '' : join(dirname(program), 'compiled'),
  };
  const command = [process.execPath, '--conditions=certbus:source', program, ...args];
  const [first = '', ...rest] = isDiskFull
    ? ['sh', '-c', `trap '' XFSZ; ulimit -f 0; exec "$@"`, 'sh', ...command]
    : stdoutFull
      ? ['sh', '-c', 'exec "$@" >/dev/full', 'sh', ...command]
      : isUnread
        ? ['sh', '-c', UNREAD, 'sh', ...command]
        : command;
  const child = spawn(first, rest, { cwd: folder, env: { ...own, ...env } });
  let stdout = '';
  let stderr = '';
  let isInterrupted = false;
  const watch = (written: string) => {
    if (unreadFrom && written.includes(unreadFrom)) for (const pipe of [child.stdout, child.stderr]) pipe.destroy();
    if (killAt && written.includes(killAt)) child.kill('SIGKILL');
    if (isInterrupted || !interruptAt || !written.includes(interruptAt)) return;
    // A second one would end it at once.
    isInterrupted = true;
    child.kill(interruptBy);
  };
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
    watch(stdout);
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
    watch(stderr);
  });
  void interruptOn?.then(() => child.kill('SIGINT'));
  child.stdin.on('error', () => {}).end(input);
  const [status] = await once(child, 'close');
  // oclif breaks lines to the width of a terminal; what is said is what counts.
  const joined = stderr.replaceAll(/\n ›\s+/g, ' ').replaceAll(/\s+/g, ' ');
  return { status, stdout, stderr: joined };
}
