/** Programs that tests start and stop. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { findProgram } from './machine.ts';

/** A program that a test started: what it said so far, and how to end it. */
export interface Service {
  readonly pid: number;
  /** Standard output and error, in the order they came; the oldest is dropped beyond 8 MB. */
  log(): string;
  /** Ends it by its process id: SIGTERM, and SIGKILL where that does not end it. */
  stop(): Promise<void>;
}

const MAX_LOG = 8_000_000;
/** For a machine that is busy. What is killed can leave children behind, as nginx does, which hold its port. */
const START_MS = 240_000;
const END_MS = 30_000;
const STARTED = new Set<ChildProcess>();

process.on('exit', () => {
  for (const child of STARTED) child.kill('SIGKILL');
});

/** A program that gets SIGTERM when this process ends, also where that is killed and can do nothing about it any more: on Linux. */
function endingWithUs(command: string, args: readonly string[]): readonly [string, ...string[]] {
  const setpriv = process.platform === 'linux' ? findProgram('setpriv') : undefined;
  return setpriv ? [setpriv, '--pdeathsig', 'TERM', '--', command, ...args] : [command, ...args];
}

/** Starts a program and waits until `isReady` says so. Rejects with what the program said when it ends before. */
export async function startService(
  command: string,
  args: readonly string[],
  {
    env = {},
    cwd,
    folder,
    isReady,
    timeoutMs = START_MS,
  }: {
    readonly env?: Readonly<Record<string, string>>;
    readonly cwd?: string;
    /** What it keeps on the disk, which is removed once it has ended, or did not get ready. */
    readonly folder?: { remove(): void };
    readonly isReady: () => Promise<boolean>;
    readonly timeoutMs?: number | undefined;
  },
): Promise<Service> {
  const [program, ...rest] = endingWithUs(command, args);
  const child = spawn(program, rest, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  STARTED.add(child);
  let text = '';
  const keep = (chunk: Buffer) => {
    text = (text + chunk.toString()).slice(-MAX_LOG);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const ended = once(child, 'exit').finally(() => STARTED.delete(child));
  async function stop(): Promise<void> {
    await stopChild(child, ended);
    folder?.remove();
  }
  const service: Service = { pid: child.pid ?? 0, log: () => text, stop };
  const deadline = performance.now() + timeoutMs;
  while (!(await isReady().catch(() => false))) {
    if (child.exitCode !== null || child.signalCode !== null || performance.now() > deadline) {
      await service.stop();
      throw new Error(`${command} did not get ready:\n${text.slice(-4_000)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return service;
}

const PORT_TAKEN = /address already in use|EADDRINUSE|bind: /i;

/** Starts what takes ports that were free a moment ago, and starts it again where another program was quicker. */
export async function withFreePorts<T>(start: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await start();
    } catch (error) {
      if (tries === 5 || !(error instanceof Error) || !PORT_TAKEN.test(error.message)) throw error;
    }
  }
}

async function stopChild(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), END_MS);
  await ended;
  clearTimeout(timer);
}

/** Runs a program to its end and returns what it wrote to standard output. Rejects with what it said when it fails. */
export async function run(
  command: string,
  args: readonly string[],
  { cwd, env = {} }: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (errors += chunk));
  const [status] = await once(child, 'close');
  if (status === 0) return output;
  throw new Error(`${command} ${args.join(' ')} ended with status ${status}:\n${(errors + output).slice(-4_000)}`);
}
