/** The thread that writes a replica, so that taking many commits never delays a handshake. */
import type { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { describeFileProblem } from '@certbus/store/sqlite-files';
import { openToWrite, takeLock } from './file.ts';
import type { Answer, Call } from './thread.ts';
import { createWriter, type Write } from './writer.ts';

const { path, busId, holder } = workerData as { path: string; busId: string; holder: string };
let lock: Disposable | undefined;
let database: DatabaseSync | undefined;
let write: ((wanted: Write) => void) | undefined;
let setAside: string | undefined;

function advance(): boolean {
  lock ??= takeLock(path);
  if (!lock) return false;
  if (database) return true;
  try {
    ({ database, setAside } = openToWrite(path, busId, holder));
    write = createWriter(database, busId);
    return true;
  } catch (error) {
    lock[Symbol.dispose]();
    lock = undefined;
    throw error;
  }
}

function close(): void {
  database?.close();
  lock?.[Symbol.dispose]();
}

function run(call: Call): unknown {
  switch (call.kind) {
    case 'advance':
      return { advancing: advance(), setAside };
    case 'close':
      return close();
    default:
      return write?.(call);
  }
}

parentPort?.on('message', ({ id, call }: { id: number; call: Call }) => {
  let answer: Answer;
  try {
    answer = { id, value: run(call) };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    answer = { id, error: { code, message: describeFileProblem(error, path) } };
  }
  parentPort?.postMessage(answer);
  if (call.kind === 'close') parentPort?.close();
});
