/** Answers what a replica's writer is asked, on whichever thread it runs. */
import type { DatabaseSync } from 'node:sqlite';
import { describeFileProblem } from '@certbus/store/sqlite-files';
import { openToWrite, takeLock } from './file.ts';
import { createWriter, type Write } from './writer.ts';

/** What a writer is asked. */
export type Call = { readonly kind: 'advance' } | { readonly kind: 'close' } | Write;

/** What a writer answers. */
export interface Answer {
  readonly value?: unknown;
  readonly error?: { readonly code: string | undefined; readonly message: string };
}

/** Which replica a writer writes. */
export interface Writing {
  readonly path: string;
  readonly busId: string;
  /** Who writes it, for people. */
  readonly holder: string;
}

/** Makes the writer of a file; nothing is opened before it is asked to advance. */
export function createAnswers({ path, busId, holder }: Writing): (call: Call) => Answer {
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

  return (call) => {
    try {
      return { value: run(call) };
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
      return { error: { code, message: describeFileProblem(error, path) } };
    }
  };
}
