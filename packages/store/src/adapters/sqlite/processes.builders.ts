import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { formatTrust } from '@certbus/events';
import { BEGINNING, type Checkpoint } from '@certbus/events/history';
import { beginBus, type Keys, readStream } from '../../bus.builders.ts';
import { openBus } from '../../bus.ts';
import type { Operation } from '../../conformance/history.ts';
import { operationsIn } from './reporting-log.builders.ts';
import { openSqliteLog } from './sqlite.ts';

const WRITER = fileURLToPath(new URL('./writer.builders.ts', import.meta.url));
const SIGNING_WRITER = fileURLToPath(new URL('./signing-writer.builders.ts', import.meta.url));

const STARTED = new Set<ChildProcess>();

process.on('exit', () => {
  for (const child of STARTED) child.kill('SIGKILL');
});

/** A writer in a process of its own. */
export interface Writer {
  /** All that it has done on the stream so far. */
  operations(): Operation[];
  /** Those of its appends that were acknowledged. */
  acknowledged(): { readonly position: number; readonly text: string }[];
  /** What it said on standard error. */
  complaint(): string;
  /** Resolves once it has ended. */
  readonly ended: Promise<unknown>;
  kill(): Promise<unknown>;
}

/**
 * Starts a writer: under `node` (default: this Node), for `most` commits (default: until it is killed). With a `gate` it begins once a
 * file is there, says by a file `GATE.NAME` that it waits, and ends once there is a file `GATE.end`.
 */
export function startWriter(
  path: string,
  name: string,
  {
    node = process.execPath,
    most,
    gate,
  }: { readonly node?: string; readonly most?: number; readonly gate?: string } = {},
): Writer {
  return startNode(node, [WRITER, path, name, String(most ?? Number.MAX_SAFE_INTEGER), ...(gate ? [gate] : [])]);
}

/**
 * Starts a writer of so many commits under strace, which writes into a file what the kernel is asked by the thread that has the bus:
 * every write, every flush, in order.
 */
export function startTracedWriter(
  path: string,
  name: string,
  { most, trace }: { most: number; trace: string },
): Writer {
  const calls = ['-e', 'trace=write,pwrite64,writev,pwritev,fsync,fdatasync'];
  const node = [process.execPath, '--conditions=certbus:source', WRITER, path, name, String(most)];
  return startProcess('strace', ['-qq', '-y', '-s', '400', ...calls, '-o', trace, ...node]);
}

/** The append of the first commit of a bus, before all others. */
export const firstAppend = (text: string): Operation => {
  const outcome = { kind: 'acknowledged', position: 1 } as const;
  return { kind: 'append', text, after: 0, outcome, began: 0, ended: 0 };
};

/** Begins a bus in a new file for {@link startSigningWriter}; returns where it ends, and how it was begun. */
export async function beginSignedBus(path: string): Promise<{ keys: Keys; checkpoint: Checkpoint; begun: Operation }> {
  const log = await openSqliteLog(path, { create: true });
  const { bus, keys } = await beginBus(log, 's');
  const { checkpoint } = await bus.read(BEGINNING);
  await log.close();
  writeFileSync(`${path}.key`, keys.managerKey, { mode: 0o600 });
  writeFileSync(`${path}.pub`, formatTrust(keys.trust));
  return { keys, checkpoint, begun: firstAppend(checkpoint.hash ?? '') };
}

/** Starts a manager that appends signed commits behind a checkpoint until it is killed; the text of each is its hash. */
export function startSigningWriter(path: string, name: string, from: Checkpoint): Writer {
  // Compiling what reads and signs commits takes longer than all else, two hundred times over.
  const env = { ...process.env, NODE_COMPILE_CACHE: `${path}.cache` };
  return startNode(process.execPath, [SIGNING_WRITER, path, name, JSON.stringify(from)], env);
}

/**
 * Verifies a whole bus: every link from its first commit on, and every signature behind `known`, up to which all were verified
 * before. Returns the hash of each commit and where the bus ends.
 */
export async function verifyFile(
  path: string,
  { trust }: Keys,
  known: Checkpoint,
): Promise<{ hashes: string[]; checkpoint: Checkpoint }> {
  const log = await openSqliteLog(path);
  const bus = openBus(log, 's', { trust });
  const hashes: string[] = [];
  for (let checkpoint = BEGINNING; ; ) {
    const left = known.position - checkpoint.position;
    const page = await bus.read(checkpoint, { limit: left > 0 ? left : 1_000, everySignature: left <= 0 });
    if (page.refused) throw page.refused;
    for (const { hash } of page.commits) hashes.push(hash);
    ({ checkpoint } = page);
    if (checkpoint.position === known.position && checkpoint.hash !== known.hash)
      throw new Error(`position ${known.position} holds another commit than before`);
    if (!page.end) continue;
    await log.close();
    return { hashes, checkpoint };
  }
}

function startNode(node: string, args: readonly string[], env = process.env): Writer {
  return startProcess(node, ['--conditions=certbus:source', ...args], env);
}

function startProcess(program: string, args: readonly string[], env = process.env): Writer {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  STARTED.add(child);
  let said = '';
  let complaint = '';
  child.stdout.on('data', (chunk) => (said += chunk));
  child.stderr.on('data', (chunk) => (complaint += chunk));
  const ended = once(child, 'close').finally(() => STARTED.delete(child));
  const operations = () => operationsIn(said);
  const acknowledgedIn = (operation: Operation) =>
    operation.kind === 'append' && operation.outcome.kind === 'acknowledged'
      ? [{ position: operation.outcome.position, text: operation.text }]
      : [];
  return {
    operations,
    acknowledged: () => operations().flatMap(acknowledgedIn),
    complaint: () => complaint,
    ended,
    kill() {
      child.kill('SIGKILL');
      return ended;
    },
  };
}

/** Waits until `isSo`; rejects after four minutes, which only what hangs takes. */
export async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + 240_000;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error('it did not come to that within four minutes');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** All texts in the log, in order. Throws where a position is missing. */
export async function readTexts(path: string): Promise<string[]> {
  const log = await openSqliteLog(path);
  const commits = await readStream(log, 's');
  await log.close();
  return commits.map(({ position, bytes }, n) => {
    if (position !== n + 1) throw new Error(`position ${position} stands where ${n + 1} should`);
    return Buffer.from(bytes).toString();
  });
}

/** Runs a pragma on a file of its own accord, as a person with a SQLite tool would, and returns its answer. */
export function pragma(path: string, text: string): unknown {
  const database = new DatabaseSync(path, { timeout: 1_000 });
  try {
    return Object.values(database.prepare(`PRAGMA ${text}`).get() ?? {})[0];
  } finally {
    database.close();
  }
}
