/** Runs the commands of a configuration: without a shell, within a time, with their output kept. */
import { spawn } from 'node:child_process';
import { cleanLine } from '@certbus/events';
import { AgentError } from '../../errors.ts';

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
  const [program = '', ...args] = command;
  let output = '';
  const fail = (why: string) => {
    const said =
      output.trim() === '' ? 'It said nothing.' : `It said: ${cleanLine(output.trim().replaceAll('\n', ' | '))}`;
    return new AgentError('CERTBUS_AGENT_COMMAND_FAILED', `The command ${program} ${why}. ${said}`);
  };
  // A group of its own: what it started ends with it.
  const child = spawn(program, args, { env: environmentOf(env), stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-MAX_OUTPUT);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  let isLate = false;
  const kill = (name: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, name);
    } catch {
      // It has ended.
    }
  };
  const end = () => {
    kill('SIGTERM');
    graces.push(setTimeout(() => kill('SIGKILL'), GRACE_MS));
  };
  const graces: NodeJS.Timeout[] = [];
  const timer = setTimeout(() => {
    isLate = true;
    end();
  }, timeoutMs);
  signal.addEventListener('abort', end, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      child.once('error', (error: NodeJS.ErrnoException) =>
        reject(fail(`cannot be started: ${error.code ?? 'unknown'}`)),
      );
      child.once('exit', (status, killedBy) => {
        if (status === 0) return resolve();
        if (isLate) return reject(fail(`took longer than ${timeoutMs / 1000} s and was ended`));
        reject(fail(status === null ? `was ended by ${killedBy}` : `ended with status ${status}`));
      });
    });
    return output;
  } finally {
    clearTimeout(timer);
    for (const grace of graces) clearTimeout(grace);
    signal.removeEventListener('abort', end);
  }
}
