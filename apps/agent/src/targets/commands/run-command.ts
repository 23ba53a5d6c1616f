/** Runs the commands of a configuration: without a shell, within a time, with their output kept. */
import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { cleanLine } from '@certbus/events';
import { CommandError } from '../../errors.ts';

/** A command of the configuration. */
export interface CommandSettings {
  /** The program, with its full path, and its arguments. No shell reads them. */
  readonly command: readonly string[];
  /** How long it may take, milliseconds; default 30,000. Then it is ended, and has failed. */
  readonly timeoutMs?: number | undefined;
}

const TIMEOUT_MS = 30_000;
/** Between SIGTERM and SIGKILL. */
const GRACE_MS = 2_000;
/** What a command said just before its end may still be on its way; a daemon that it started keeps its pipes open. */
const LAST_WORDS_MS = 1_000;
/** The end of what a command said is kept: there is why it failed. */
const MAX_OUTPUT = 4_000;

/** What is in the environment of every command; nothing of the agent's own, which may hold secrets. */
const PASSED_ON = ['PATH', 'HOME', 'LANG', 'TZ', 'XDG_RUNTIME_DIR', 'DBUS_SESSION_BUS_ADDRESS'] as const;

function environmentOf(own: Readonly<Record<string, string>>): Record<string, string> {
  const passed = PASSED_ON.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(passed), ...own };
}

/** How a command ended. Rejects where it cannot be started. */
const exitOf = (
  child: ChildProcess,
  fail: (why: string) => Error,
): Promise<readonly [status: number | null, killedBy: NodeJS.Signals | null]> =>
  new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(fail(`cannot be started: ${error.code ?? 'unknown'}`)),
    );
    child.once('exit', (status, killedBy) => resolve([status, killedBy]));
  });

/** Resolves once all that a command said is read, or after a while; then nothing more is. */
async function lastWords({ stdout, stderr }: ChildProcessByStdio<null, Readable, Readable>): Promise<void> {
  const signal = AbortSignal.timeout(LAST_WORDS_MS);
  await Promise.allSettled([stdout, stderr].map((stream) => finished(stream, { signal })));
  stdout.destroy();
  stderr.destroy();
}

/**
 * Runs a command to its end and returns the end of its output. Rejects `CERTBUS_AGENT_COMMAND_FAILED` with that output where it cannot be
 * started, fails, or takes too long.
 *
 * @param env what it is told; names from the bus reach a command in no other way.
 */
export async function runCommand(
  { command, timeoutMs = TIMEOUT_MS }: CommandSettings,
  { env, signal }: { readonly env: Readonly<Record<string, string>>; readonly signal: AbortSignal },
): Promise<string> {
  signal.throwIfAborted();
  const [program = '', ...args] = command;
  let output = '';
  const fail = (why: string) => {
    const said =
      output.trim() === '' ? 'It printed nothing.' : `It printed: ${cleanLine(output.trim().replaceAll('\n', ' | '))}`;
    return new CommandError(`The command ${program} ${why}.`, said);
  };
  // A group of its own: what it started ends with it.
  const child = spawn(program, args, { env: environmentOf(env), stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-MAX_OUTPUT);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const kill = (name: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, name);
    } catch {
      // It has ended.
    }
  };
  let isEnded = false;
  let isLate = false;
  let grace: NodeJS.Timeout | undefined;
  const end = () => {
    isEnded = true;
    kill('SIGTERM');
    grace = setTimeout(() => kill('SIGKILL'), GRACE_MS);
  };
  const timer = setTimeout(() => {
    isLate = true;
    end();
  }, timeoutMs);
  signal.addEventListener('abort', end, { once: true });
  try {
    const [status, killedBy] = await exitOf(child, fail);
    // What it started and did not end itself.
    if (isEnded) kill('SIGKILL');
    await lastWords(child);
    if (status === 0) return output;
    if (isLate) throw fail(`took longer than ${timeoutMs / 1000} s and was ended`);
    throw fail(status === null ? `was ended by ${killedBy}` : `ended with status ${status}`);
  } finally {
    clearTimeout(timer);
    clearTimeout(grace);
    signal.removeEventListener('abort', end);
  }
}
