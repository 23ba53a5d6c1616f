/** The writer on a thread of its own, from outside; on this thread where its file cannot be loaded. */
// biome-ignore lint/style/useNodejsImportProtocol: webpack bundles the thread's file only where Worker comes from this spelling
import { type Transferable, Worker } from 'worker_threads';
import type { AdvanceListener } from '../advance.ts';
import type { BusPlace } from '../bus-place.ts';
import { ReplicaError } from '../errors.ts';
import type { Change } from '../reader.ts';
import type { StartKeeper } from '../vault/vault.ts';
import { type Call, createAnswers } from './calls.ts';
import { type FollowCall, type Message, type Notice, type Order, READY } from './messages.ts';
import type { AdvanceAnswer, WriterNews, Writing } from './roomy-writer.ts';
import { fromWire } from './wire-errors.ts';
import type { Write } from './writer.ts';

/** How a bus is followed in the writing thread. */
export interface ThreadFollowOptions {
  readonly place: BusPlace;
  readonly intervalMs: number;
  readonly signal: AbortSignal;
  readonly listener: AdvanceListener;
}

/** What writes a replica, from outside. */
export interface WriterThread {
  /** Why it writes on the thread that asks; `undefined` where it has one of its own. */
  readonly unthreaded: Error | undefined;
  /** Whether the thread failed. It held the right to write, and nothing is written before another one takes it. */
  readonly hasFailed: boolean;
  /** Takes the right to write where it is free; says which damaged file was replaced then. Where the thread failed, another one is started for it. */
  advance(): Promise<AdvanceAnswer>;
  write(write: Write): Promise<readonly Change[]>;
  /**
   * Opens, reads and verifies a bus in the thread, and takes it into the replica, until the signal. Rejects with what only opening the bus again
   * can mend. Absent where there is no thread.
   */
  readonly follow?: (options: ThreadFollowOptions) => Promise<void>;
  /** Keeps a vault on the same thread, which answers over the port. */
  readonly startKeeper: StartKeeper;
  /** Replaces a damaged file by what can be read of it; news of that come before this resolves. */
  mend(): Promise<void>;
  /** Tries to write what is kept in memory; news of that come before this resolves. */
  catchUp(): Promise<void>;
  close(): Promise<void>;
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** What takes calls, each answered after those before it, but for one that follows. */
interface Asked {
  ask(call: Call): Promise<unknown>;
  readonly follow?: (options: ThreadFollowOptions) => Promise<void>;
  /** Whether nothing will be answered any more. */
  readonly hasEnded: boolean;
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

/** Takes notices one after the other, and gives the sender leave to go on where it waits for that. */
function createNoticeReader(listener: AdvanceListener, goOn: () => void): (notice: Notice) => void {
  const hear = (wait: Promise<void>) => {
    // A listener that throws holds nobody up: it is told so, as for any other failure.
    wait.catch((error: Error) => listener.failed(error)).finally(goOn);
  };
  return (notice) => {
    switch (notice.notice) {
      case 'contact':
        return listener.contact(notice);
      case 'moved':
        return hear(listener.moved(notice.changes, notice.reached));
      case 'rebuilt':
        return hear(listener.rebuilt());
      case 'failed':
        return listener.failed(fromWire(notice.error));
    }
  };
}

/** What a call gives away instead of copying it. */
function transferOf(call: Call | FollowCall): Transferable[] {
  if (call.kind === 'load') return [call.loaded.memory];
  return call.kind === 'serve-vault' ? [call.port] : [];
}

/** Asks a thread, which never keeps a process alive that has nothing else to do. */
function askWorker(worker: Worker, take: (news: WriterNews) => void): Asked {
  const pending = new Map<number, Pending>();
  let calls = 0;
  let failure: ReplicaError | undefined;
  let takeNotice: ((notice: Notice) => void) | undefined;

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
  const send = (order: Order, moved: Transferable[] = []) => worker.postMessage(order, moved);
  worker.unref();
  worker.on('message', (message: Exclude<Message, typeof READY>) => {
    if ('notice' in message) return takeNotice?.(message);
    if ('news' in message) return take(message.news);
    const waiting = takePending(message.id);
    if (message.error) waiting?.reject(fromWire(message.error));
    else waiting?.resolve(message.value);
  });
  worker.on('error', (error) =>
    failAll(`The thread that writes the replica failed: ${error instanceof Error ? error.message : String(error)}`),
  );
  worker.on('exit', () => failAll('The thread that writes the replica has ended.'));

  function ask(call: Call | FollowCall): Promise<unknown> {
    if (failure) return Promise.reject(failure);
    calls += 1;
    const id = calls;
    worker.ref();
    return new Promise((resolve, reject) => {
      pending.set(id, { resolve, reject });
      send({ id, call }, transferOf(call));
    });
  }

  return {
    ask,
    async follow({ place, intervalMs, signal, listener }) {
      signal.throwIfAborted();
      takeNotice = createNoticeReader(listener, () => send({ order: 'go-on' }));
      const stop = () => send({ order: 'stop' });
      signal.addEventListener('abort', stop, { once: true });
      try {
        await ask({ kind: 'follow', place, intervalMs });
      } finally {
        signal.removeEventListener('abort', stop);
        takeNotice = undefined;
      }
    },
    get hasEnded() {
      return failure !== undefined;
    },
    end: () => worker.terminate(),
  };
}

/** Answers on this thread, each call in a turn of the event loop of its own, so that handshakes come in between. */
function askHere(writing: Writing, take: (news: WriterNews) => void): Asked {
  const { answer } = createAnswers(writing, take);
  return {
    async ask(call) {
      await new Promise((resolve) => setImmediate(resolve));
      const { value, error } = answer(call);
      if (error) throw fromWire(error);
      return value;
    },
    hasEnded: false,
    async end() {},
  };
}

/** Starts a thread in place of one that failed. Rejects `CERTBUS_REPLICA_FAILED`. */
async function startAgain(writing: Writing, take: (news: WriterNews) => void): Promise<Asked> {
  try {
    return askWorker(await startWorker(writing), take);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const what = `The thread that writes the replica failed, and no other can be started: ${why}.`;
    throw new ReplicaError('CERTBUS_REPLICA_FAILED', what, { cause });
  }
}

type Unheld = Omit<Writing, 'holder'>;

const heldHere = (replica: Unheld): Writing => ({ ...replica, holder: `process ${process.pid}` });

/** Starts what writes a replica; `take` gets what it reports without being asked. */
export async function startWriterThread(replica: Unheld, take: (news: WriterNews) => void): Promise<WriterThread> {
  const writing = heldHere(replica);
  const worker = await startWorker(writing).catch((error: Error) => error);
  if (worker instanceof Error) return writerOf(askHere(writing, take), { unthreaded: worker, writing, take });
  return writerOf(askWorker(worker, take), { unthreaded: undefined, writing, take });
}

/** What writes a replica on this thread, by intent; `take` as {@link startWriterThread} has it. */
export async function startWriterHere(replica: Unheld, take: (news: WriterNews) => void): Promise<WriterThread> {
  const writing = heldHere(replica);
  return writerOf(askHere(writing, take), { unthreaded: undefined, writing, take });
}

/** How a writer was started. */
interface Started extends Pick<WriterThread, 'unthreaded'> {
  readonly writing: Writing;
  readonly take: (news: WriterNews) => void;
}

function writerOf(first: Asked, { unthreaded, writing, take }: Started): WriterThread {
  let asked = first;
  let isClosed = false;
  const follow = (options: ThreadFollowOptions) => asked.follow?.(options) ?? Promise.resolve();
  return {
    unthreaded,
    get hasFailed() {
      return asked.hasEnded;
    },
    async advance() {
      if (asked.hasEnded && !isClosed) asked = await startAgain(writing, take);
      return (await asked.ask({ kind: 'advance' })) as AdvanceAnswer;
    },
    write: async (write) => (await asked.ask(write)) as readonly Change[],
    ...(asked.follow ? { follow } : {}),
    startKeeper: (port, setup) => asked.ask({ kind: 'serve-vault', port, setup }),
    mend: async () => void (await asked.ask({ kind: 'mend' })),
    catchUp: async () => void (await asked.ask({ kind: 'catch-up' })),
    async close() {
      isClosed = true;
      await asked.ask({ kind: 'close' }).catch(() => {});
      await asked.end();
    },
  };
}
