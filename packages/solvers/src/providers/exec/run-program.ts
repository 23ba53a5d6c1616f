/** Runs a program to its end, within bounds. */
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Invocation } from './invocation.ts';

/** How a run ended. */
export type ProgramEnd =
  | { readonly kind: 'exited'; readonly status: number }
  | { readonly kind: 'killed'; readonly by: string }
  | { readonly kind: 'overdue' }
  | { readonly kind: 'not-started'; readonly code: string };

/** What a run came to. */
export interface ProgramResult {
  readonly end: ProgramEnd;
  /** The beginning of standard output, 64 KiB at most. */
  readonly stdout: string;
  /** The end of standard output and error together, 16 KiB at most. */
  readonly said: string;
}

/** How a run is bounded. */
export interface RunOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const MAX_STDOUT = 65_536;
const MAX_SAID = 16_384;
/** From SIGTERM to SIGKILL. An abort has to be over within a second. */
const GRACE_MS = 500;

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';

type Ending = Exclude<ProgramEnd, { kind: 'overdue' }>;

/** Whether a promise resolves within a time; no timer outlives it. */
async function settlesWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, ms, false);
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Signals the whole group, which the program leads; whatever it started is in it, unless it left on purpose. */
function signalGroup(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // Nobody of the group is left, or the system knows no groups.
    child.kill(signal);
  }
}

/** Keeps the beginning of a stream. */
function keepHead(stream: Readable): () => string {
  const chunks: Buffer[] = [];
  let length = 0;
  stream.on('data', (chunk: Buffer) => {
    if (length < MAX_STDOUT) chunks.push(chunk);
    length += chunk.length;
  });
  return () => Buffer.concat(chunks).subarray(0, MAX_STDOUT).toString();
}

/** Keeps the end of what streams say together, in the order in which it comes. */
function keepTail(streams: readonly Readable[]): () => string {
  let tail = Buffer.alloc(0);
  for (const stream of streams) {
    stream.on('data', (chunk: Buffer) => {
      tail = Buffer.concat([tail, chunk]);
      tail = tail.subarray(Math.max(0, tail.length - MAX_SAID));
    });
  }
  return () => tail.toString();
}

/** Resolves when the program itself has ended, whatever it left running. */
function endOf(child: ChildProcess): Promise<Ending> {
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ kind: 'not-started', code: codeOf(error) }));
    child.on('exit', (status, by) =>
      resolve(status === null ? { kind: 'killed', by: by ?? '' } : { kind: 'exited', status }),
    );
  });
}

/** The end, or what came before it. */
async function awaitEnd(
  end: Promise<Ending>,
  { timeoutMs, signal }: RunOptions,
): Promise<Ending | 'overdue' | 'aborted'> {
  const { promise: stopped, resolve } = Promise.withResolvers<'overdue' | 'aborted'>();
  const timer = setTimeout(resolve, timeoutMs, 'overdue');
  const onAbort = () => resolve('aborted');
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([end, stopped]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

/** Starts it; some errors of the system are thrown and not told by an event. */
function start({ command, args, env }: Invocation, folder: string): ChildProcessWithoutNullStreams | string {
  const { PATH = '/usr/local/bin:/usr/bin:/bin', HOME = folder } = process.env;
  try {
    return spawn(command, args, {
      cwd: folder,
      env: { PATH, HOME, TMPDIR: folder, ...env },
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  } catch (error) {
    return codeOf(error);
  }
}

/** Sees that the whole group ends, which is asked first where the program still runs. What cannot be ended, being another user's, is not waited for. */
async function end(
  child: ChildProcess,
  { ended, isRunning }: { readonly ended: Promise<Ending>; readonly isRunning: boolean },
): Promise<void> {
  if (isRunning) {
    signalGroup(child, 'SIGTERM');
    await settlesWithin(ended, GRACE_MS);
  }
  // What it left behind goes too: its folder is about to.
  signalGroup(child, 'SIGKILL');
  if (!(await settlesWithin(ended, GRACE_MS))) child.unref();
}

async function runIn(folder: string, invocation: Invocation, options: RunOptions): Promise<ProgramResult> {
  options.signal.throwIfAborted();
  const child = start(invocation, folder);
  if (typeof child === 'string') return { end: { kind: 'not-started', code: child }, stdout: '', said: '' };
  const [stdout, said] = [keepHead(child.stdout), keepTail([child.stdout, child.stderr])];
  const closed = new Promise((resolve) => child.on('close', resolve));
  const ended = endOf(child);
  // A program need not read what it is sent.
  child.stdin.on('error', () => {}).end(invocation.input);
  const first = await awaitEnd(ended, options);
  await end(child, { ended, isRunning: typeof first === 'string' });
  if (child.pid !== undefined) await settlesWithin(closed, GRACE_MS);
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
  if (first === 'aborted') options.signal.throwIfAborted();
  return { end: typeof first === 'string' ? { kind: 'overdue' } : first, stdout: stdout(), said: said() };
}

const FOLDER = 'certbus-program-';
/** Longer than any program may run. */
const LEFTOVER_MS = 86_400_000;

/** Removes the folders of programs from this user's processes that were killed more than a day ago. */
export async function removeLeftovers(parent: string): Promise<void> {
  for (const name of (await readdir(parent)).filter((each) => each.startsWith(FOLDER))) {
    const path = join(parent, name);
    const stats = await lstat(path).catch(() => undefined);
    if (!stats?.isDirectory() || stats.uid !== process.getuid?.()) continue;
    if (Date.now() - stats.mtimeMs > LEFTOVER_MS) await rm(path, { recursive: true, force: true });
  }
}

/** Once in a process: a folder for temporary files may hold many. What cannot be removed takes room, and does no harm. */
let tidied: Promise<void> | undefined;

/**
 * Runs a program without a shell, as leader of a process group of its own and in a folder of its own, with `PATH` and `HOME` of this
 * process and nothing else of its environment. After its time, and after an abort, the group gets SIGTERM, and SIGKILL half a second
 * later; an abort rejects with the signal's reason.
 */
export async function runProgram(invocation: Invocation, options: RunOptions): Promise<ProgramResult> {
  let folder: string;
  try {
    tidied ??= removeLeftovers(tmpdir()).catch(() => {});
    await tidied;
    folder = await mkdtemp(join(tmpdir(), FOLDER));
  } catch (error) {
    return { end: { kind: 'not-started', code: `no temporary folder (${codeOf(error)})` }, stdout: '', said: '' };
  }
  try {
    return await runIn(folder, invocation, options);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}
