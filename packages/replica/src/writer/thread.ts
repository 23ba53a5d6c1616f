/** The writer on a thread of its own, from outside. */
import { Worker } from 'node:worker_threads';
import { ReplicaError, type ReplicaErrorCode } from '../errors.ts';
import type { Write } from './writer.ts';

/** What the thread is asked. */
export type Call = { readonly kind: 'advance' } | { readonly kind: 'close' } | Write;

/** What the thread answers. */
export interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly code: string | undefined; readonly message: string };
}

/** The writing thread, from outside. */
export interface WriterThread {
  /** Takes the right to write where it is free; says what damaged file was set aside. */
  advance(): Promise<{ advancing: boolean; setAside: string | undefined }>;
  write(write: Write): Promise<void>;
  close(): Promise<void>;
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

const KNOWN: readonly string[] = ['CERTBUS_REPLICA_OTHER_BUS', 'CERTBUS_REPLICA_BEHIND'] satisfies ReplicaErrorCode[];

function toError({ code, message }: NonNullable<Answer['error']>): ReplicaError {
  const known = code !== undefined && KNOWN.includes(code) ? (code as ReplicaErrorCode) : 'CERTBUS_REPLICA_FAILED';
  return new ReplicaError(
    known,
    known === 'CERTBUS_REPLICA_FAILED' ? `The replica could not be written: ${message}` : message,
  );
}

/** Starts the thread. It never keeps a process alive that has nothing else to do. */
export function startWriterThread(path: string, busId: string): WriterThread {
  // Run from sources the thread is TypeScript too, and Node strips its types.
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const holder = `process ${process.pid}`;
  const worker = new Worker(new URL(`./thread.worker.${extension}`, import.meta.url), {
    workerData: { path, busId, holder },
  });
  const pending = new Map<number, Pending>();
  let calls = 0;
  let failure: ReplicaError | undefined;

  const takePending = (id: number): Pending | undefined => {
    const waiting = pending.get(id);
    pending.delete(id);
    if (pending.size === 0) worker.unref();
    return waiting;
  };
  const failAll = (message: string) => {
    failure = new ReplicaError('CERTBUS_REPLICA_FAILED', message);
    for (const id of [...pending.keys()]) takePending(id)?.reject(failure);
  };
  worker.unref();
  worker.on('message', ({ id, value, error }: Answer) => {
    const waiting = takePending(id);
    if (error) waiting?.reject(toError(error));
    else waiting?.resolve(value);
  });
  worker.on('error', (error) =>
    failAll(`The thread that writes the replica failed: ${error instanceof Error ? error.message : String(error)}`),
  );
  worker.on('exit', () => failAll('The thread that writes the replica has ended.'));

  function ask(call: Call): Promise<unknown> {
    if (failure) return Promise.reject(failure);
    calls += 1;
    const id = calls;
    worker.ref();
    return new Promise((resolve, reject) => {
      pending.set(id, { resolve, reject });
      worker.postMessage({ id, call }, call.kind === 'load' ? [call.loaded.memory] : []);
    });
  }

  return {
    advance: async () => (await ask({ kind: 'advance' })) as { advancing: boolean; setAside: string | undefined },
    write: async (write) => void (await ask(write)),
    async close() {
      await ask({ kind: 'close' }).catch(() => {});
      await worker.terminate();
    },
  };
}
