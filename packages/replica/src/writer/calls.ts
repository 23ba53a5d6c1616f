/** Answers what a replica's writer is asked, on whichever thread it runs. */
import type { DatabaseSync } from 'node:sqlite';
import type { MessagePort } from 'node:worker_threads';
import { describeFileProblem } from '@certbus/store/sqlite-files';
import { ReplicaError, type ReplicaErrorCode } from '../errors.ts';
import type { FollowedReplica } from '../followed.ts';
import type { VaultSetup } from '../vault/keeper.ts';
import { openToWrite, takeLock } from './file.ts';
import { createLocalReplica } from './local-replica.ts';
import type { ReplicaRole } from './role.ts';
import { toWire, type WireError } from './wire-errors.ts';
import { createWriter, type Write, type Writer } from './writer.ts';

/** What a writer is asked. */
export type Call =
  | { readonly kind: 'advance' }
  | { readonly kind: 'close' }
  | { readonly kind: 'serve-vault'; readonly port: MessagePort; readonly setup: VaultSetup }
  | Write;

/** What a writer answers. */
export interface Answer {
  readonly value?: unknown;
  readonly error?: WireError;
}

/** Which replica a writer writes. */
export interface Writing {
  readonly path: string;
  readonly busId: string;
  readonly role: ReplicaRole;
  /** Who writes it, for people. */
  readonly holder: string;
}

/** The writer of a file. */
export interface Answers {
  answer(call: Call): Answer;
  /** The replica as it is on this thread. Throws unless this writer advances it. */
  replica(): FollowedReplica;
}

const KNOWN: readonly unknown[] = ['CERTBUS_REPLICA_OTHER_BUS', 'CERTBUS_REPLICA_BEHIND'] satisfies ReplicaErrorCode[];

/** What is wrong with the file at a path, as `CERTBUS_REPLICA_FAILED`; what is wrong with what was asked stays as it is. */
function asReplicaError(error: unknown, path: string): ReplicaError {
  if (error instanceof ReplicaError && KNOWN.includes(error.code)) return error;
  const what = `The replica could not be written: ${describeFileProblem(error, path)}`;
  return new ReplicaError('CERTBUS_REPLICA_FAILED', what);
}

/** Loaded for a vault only: a manager's replica has none. A port that is closed says that it could not be. */
export function startKeeper(port: MessagePort, setup: VaultSetup): void {
  void import('../vault/keeper.ts').then(
    ({ serveVault }) => serveVault(port, setup),
    () => port.close(),
  );
}

/** Makes the writer of a file; nothing is opened before it is asked to advance. */
export function createAnswers({ path, busId, role, holder }: Writing): Answers {
  let lock: Disposable | undefined;
  let database: DatabaseSync | undefined;
  let write: Writer | undefined;
  let setAside: string | undefined;

  function advance(): boolean {
    lock ??= takeLock(path);
    if (!lock) return false;
    if (database) return true;
    try {
      ({ database, setAside } = openToWrite(path, busId, holder));
      write = createWriter(database, { busId, role });
      return true;
    } catch (error) {
      lock[Symbol.dispose]();
      lock = undefined;
      throw error;
    }
  }

  function close(): void {
    try {
      write?.({ kind: 'flush' });
    } finally {
      database?.close();
      lock?.[Symbol.dispose]();
    }
  }

  function run(call: Call): unknown {
    switch (call.kind) {
      case 'advance':
        return { advancing: advance(), setAside };
      case 'close':
        return close();
      case 'serve-vault':
        return startKeeper(call.port, call.setup);
      default:
        return write?.(call);
    }
  }

  return {
    answer(call) {
      try {
        return { value: run(call) };
      } catch (error) {
        return { error: toWire(asReplicaError(error, path)) };
      }
    },
    replica() {
      const writer = write;
      if (!database || !writer) throw new TypeError('this writer does not advance the replica');
      return createLocalReplica(database, {
        role,
        async write(wanted) {
          try {
            return writer(wanted);
          } catch (error) {
            throw asReplicaError(error, path);
          }
        },
      });
    },
  };
}
