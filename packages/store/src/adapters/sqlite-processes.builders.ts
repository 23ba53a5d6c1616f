import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { openSqliteLog } from './sqlite.ts';

const WRITER = fileURLToPath(new URL('./sqlite-writer.builders.ts', import.meta.url));

const STARTED = new Set<ChildProcess>();

process.on('exit', () => {
  for (const child of STARTED) child.kill('SIGKILL');
});

/** A commit that a writer got acknowledged. */
export interface Acknowledged {
  readonly position: number;
  readonly text: string;
}

/** A writer in a process of its own. */
export interface Writer {
  acknowledged(): Acknowledged[];
  /** What it said on standard error. */
  complaint(): string;
  /** Resolves once it has ended. */
  readonly ended: Promise<unknown>;
  kill(): Promise<unknown>;
}

/** Starts a writer: under `node` (default: this Node), for `most` commits (default: until it is killed). */
export function startWriter(
  path: string,
  name: string,
  { node = process.execPath, most }: { readonly node?: string; readonly most?: number } = {},
): Writer {
  const args = ['--conditions=certbus:source', WRITER, path, name, ...(most ? [String(most)] : [])];
  const child = spawn(node, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  STARTED.add(child);
  let said = '';
  let complaint = '';
  child.stdout.on('data', (chunk) => (said += chunk));
  child.stderr.on('data', (chunk) => (complaint += chunk));
  const ended = once(child, 'close').finally(() => STARTED.delete(child));
  return {
    acknowledged: () =>
      said
        .split('\n')
        .slice(0, -1)
        .map((line) => {
          const [position, text = ''] = line.split(' ');
          return { position: Number(position), text };
        }),
    complaint: () => complaint,
    ended,
    kill() {
      child.kill('SIGKILL');
      return ended;
    },
  };
}

/** Waits until `isSo`; rejects after half a minute. */
export async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error('it did not come to that within half a minute');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** All texts in the log, in order. Throws where a position is missing. */
export async function readTexts(path: string): Promise<string[]> {
  const log = await openSqliteLog(path);
  const { commits } = await log.read('s', 0, { limit: 1_000_000 });
  await log.close();
  return commits.map(({ position, bytes }, n) => {
    if (position !== n + 1) throw new Error(`position ${position} stands where ${n + 1} should`);
    return Buffer.from(bytes).toString();
  });
}

/** Those of the acknowledged commits that are not where they were acknowledged, or stand there twice. */
export function lost(acknowledged: readonly Acknowledged[], texts: readonly string[]): Acknowledged[] {
  return acknowledged.filter(
    ({ position, text }) => texts.indexOf(text) !== position - 1 || texts.lastIndexOf(text) !== position - 1,
  );
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
