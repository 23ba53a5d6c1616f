/** tmux, in which tests run a program on a terminal of a given size and read its screen. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { debianPackageFolder, installDebianPackages, libraryPath } from './debian-packages.ts';
import { hasProgram, temporaryFolder } from './machine.ts';
import { run } from './process.ts';

const TMUX = 'tmux';
const PACKAGES = { tmux: '3.3a-3', 'libevent-core-2.1-7': '2.1.12-stable-8', libutempter0: '1.2.1-3' } as const;
const CONFIGURATION = `
set -g history-limit 5000
set -g remain-on-exit on
set -g remain-on-exit-format ''
set -g status off
set -g default-terminal screen-256color
`;
const LOOK_MS = 50;

/** Why this machine cannot have tmux; `undefined` when it can. */
export function missingTmux(): string | undefined {
  if (existsSync(debianPackageFolder(TMUX))) return undefined;
  return hasProgram('apt-get') ? undefined : "tmux is unpacked from Debian's package, which needs apt-get";
}

/** Finds or installs Debian's tmux. */
export async function findTmux(): Promise<{
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
}> {
  const folder = await installDebianPackages(TMUX, PACKAGES);
  return { command: join(folder, 'usr', 'bin', 'tmux'), env: libraryPath(folder) };
}

/** What a program runs on. */
export interface TerminalOptions {
  readonly columns: number;
  /** Default 50. */
  readonly rows?: number;
  readonly cwd: string;
  /** All of its environment, but for what a terminal sets. */
  readonly env: Readonly<Record<string, string>>;
}

/** A program on a terminal. */
export interface TerminalSession extends AsyncDisposable {
  /** Types a line, and Enter. */
  type(line: string): Promise<void>;
  /** Presses a key, as tmux calls it: `C-c`, `Up`. */
  press(key: string): Promise<void>;
  /**
   * All lines so far, also those that have left the screen.
   *
   * @param options.withColours with the escape sequences of their colours. Default false.
   */
  screen(options?: { readonly withColours?: boolean }): Promise<string>;
  /** Waits until the screen has a text behind what was there at the last call. The test's own limit bounds it. */
  waitFor(text: string): Promise<void>;
  /** Waits for the end of the program; its exit status. */
  ended(): Promise<number>;
}

/** Starts a program on a terminal of its own, in a tmux server of its own. */
export async function openTerminal(
  command: readonly string[],
  { columns, rows = 50, cwd, env }: TerminalOptions,
): Promise<TerminalSession> {
  const { command: tmux, env: libraries } = await findTmux();
  const folder = temporaryFolder();
  const at = (name: string) => join(folder.path, name);
  writeFileSync(at('tmux.conf'), CONFIGURATION);
  // The server, and so the program, has this environment and no other.
  const own = { PATH: process.env['PATH'] ?? '', HOME: folder.path, LC_ALL: 'C.UTF-8', TERM: 'xterm', ...libraries };
  const call = (...args: string[]) =>
    run(
      'env',
      [
        '-i',
        ...Object.entries({ ...own, ...env }).map(([name, value]) => `${name}=${value}`),
        tmux,
        '-u',
        '-S',
        at('socket'),
        ...args,
      ],
      { cwd },
    );
  // Ctrl-C goes to this shell as well, which has to say how the program ended.
  const script = `trap : INT; "$@"; echo $? > '${at('status')}'; exec '${tmux}' -S '${at('socket')}' wait-for -S ended`;
  const size = ['-x', String(columns), '-y', String(rows)];
  await call(
    '-f',
    at('tmux.conf'),
    'new-session',
    '-d',
    '-s',
    'main',
    ...size,
    '-c',
    cwd,
    '--',
    'sh',
    '-c',
    script,
    'sh',
    ...command,
  );
  const capture = async ({ withColours = false } = {}) =>
    (await call('capture-pane', '-p', ...(withColours ? ['-e'] : []), '-S', '-', '-t', 'main'))
      .split('\n')
      .map((line) => line.trimEnd())
      .join('\n')
      .trimEnd();
  let seen = 0;
  return {
    async type(line) {
      await call('send-keys', '-t', 'main', '-l', '--', line);
      await call('send-keys', '-t', 'main', 'Enter');
    },
    async press(key) {
      await call('send-keys', '-t', 'main', key);
    },
    screen: capture,
    async waitFor(text) {
      for (;;) {
        // Looked at first: what a program shows last is on the screen once it has ended.
        const isOver = existsSync(at('status'));
        const screen = await capture();
        const found = screen.indexOf(text, seen);
        if (found >= 0) {
          seen = found + text.length;
          return;
        }
        if (isOver) throw new Error(`The program ended without "${text}":\n${screen}`);
        await sleep(LOOK_MS);
      }
    },
    async ended() {
      await call('wait-for', 'ended');
      return Number(readFileSync(at('status'), 'utf8'));
    },
    async [Symbol.asyncDispose]() {
      await call('kill-server').catch(() => {});
      folder.remove();
    },
  };
}
