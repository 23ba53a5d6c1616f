/** The writer on a thread of its own, from outside; on this thread where its file cannot be loaded. */
// biome-ignore lint/style/useNodejsImportProtocol: webpack bundles the thread's file only where Worker comes from this spelling
import { Worker } from 'worker_threads';
import { ReplicaError, type ReplicaErrorCode } from '../errors.ts';
import { type Answer, type Call, createAnswers, type Writing } from './calls.ts';
import { READY } from './ready.ts';
import type { Write } from './writer.ts';

/** What writes a replica, from outside. */
export interface WriterThread {
  /** Why it writes on the thread that asks; `undefined` where it has one of its own. */
  readonly unthreaded: Error | undefined;
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

/** What takes calls, each answered after those before it. */
interface Asked {
  ask(call: Call): Promise<unknown>;
  end(): Promise<unknown>;
}

function loadWorker(workerData: Writing): Worker {
  // Run from sources the thread is TypeScript too, and Node strips its types.
  if (import.meta.url.endsWith('.ts'))
    return new Worker(new URL(import.meta.url.replace(/thread\.ts$/, 'thread.worker.ts')), { workerData });
  // Bundlers look for exactly this form.
  return new Worker(new URL('./thread.worker.js', import.meta.url), { workerData });
}

/** Starts the thread. Rejects where its file is not there: bundlers that do not know workers leave it out, or the URL of the bundle. */
function startWorker(writing: Writing): Promise<Worker> {
  return new Promise((resolve, reject) => {
    const worker = loadWorker(writing);
    const end = (code: number) => reject(new Error(`the thread ended with status ${code} before it was ready`));
    worker.once('error', reject).once('exit', end);
    worker.on('message', function becomeReady(message: unknown) {
      if (message !== READY) return;
      worker.off('message', becomeReady).off('error', reject).off('exit', end);
      resolve(worker);
    });
  });
}

/** Asks a thread, which never keeps a process alive that has nothing else to do. */
function askWorker(worker: Worker): Asked {
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
  worker.on('message', ({ id, value, error }: Answer & { readonly id: number }) => {
    const waiting = takePending(id);
    if (error) waiting?.reject(toError(error));
    else waiting?.resolve(value);
  });
  worker.on('error', (error) =>
    failAll(`The thread that writes the replica failed: ${error instanceof Error ? error.message : String(error)}`),
  );
  worker.on('exit', () => failAll('The thread that writes the replica has ended.'));
  return {
    ask(call) {
      if (failure) return Promise.reject(failure);
      calls += 1;
      const id = calls;
      worker.ref();
      return new Promise((resolve, reject) => {
        pending.set(id, { resolve, reject });
        worker.postMessage({ id, call }, call.kind === 'load' ? [call.loaded.memory] : []);
      });
    },
    end: () => worker.terminate(),
  };
}

/** Answers on this thread, each call in a turn of the event loop of its own, so that handshakes come in between. */
function askHere(writing: Writing): Asked {
  const answer = createAnswers(writing);
  return {
    async ask(call) {
      await new Promise((resolve) => setImmediate(resolve));
      const { value, error } = answer(call);
      if (error) throw toError(error);
      return value;
    },
    async end() {},
  };
}

/** Starts what writes a replica. */
export async function startWriterThread(path: string, busId: string): Promise<WriterThread> {
  const writing = { path, busId, holder: `process ${process.pid}` };
  const worker = await startWorker(writing).catch((error: Error) => error);
  const { ask, end } = worker instanceof Error ? askHere(writing) : askWorker(worker);
  return {
    unthreaded: worker instanceof Error ? worker : undefined,
    advance: async () => (await ask({ kind: 'advance' })) as { advancing: boolean; setAside: string | undefined },
    write: async (write) => void (await ask(write)),
    async close() {
      await ask({ kind: 'close' }).catch(() => {});
      await end();
    },
  };
}
