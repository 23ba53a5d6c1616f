/** Answers what a replica's writer is asked, on whichever thread it runs. */
import type { MessagePort } from 'node:worker_threads';
import { describeFileProblem } from '@certbus/store/sqlite-files';
import { damageOf, isDamage } from '../checking/digest.ts';
import { ReplicaError, type ReplicaErrorCode } from '../errors.ts';
import type { FollowedReplica } from '../followed.ts';
import type { VaultSetup } from '../vault/keeper.ts';
import { createLocalReplica } from './local-replica.ts';
import { createRoomyWriter, type WriterNews, type Writing } from './roomy-writer.ts';
import { toWire, type WireError } from './wire-errors.ts';
import type { Write } from './writer.ts';

/** What a writer is asked. */
export type Call =
  | { readonly kind: 'advance' }
  | { readonly kind: 'mend' }
  | { readonly kind: 'catch-up' }
  | { readonly kind: 'close' }
  | { readonly kind: 'serve-vault'; readonly port: MessagePort; readonly setup: VaultSetup }
  | Write;

/** What a writer answers. */
export interface Answer {
  readonly value?: unknown;
  readonly error?: WireError;
}

/** The writer of a file. */
export interface Answers {
  answer(call: Call): Answer;
  /** The replica as it is on this thread. */
  readonly replica: FollowedReplica;
}

const KNOWN: readonly unknown[] = [
  'CERTBUS_REPLICA_OTHER_BUS',
  'CERTBUS_REPLICA_BEHIND',
  'CERTBUS_REPLICA_DAMAGED',
] satisfies ReplicaErrorCode[];

/** What is wrong with the file at a path, as an error of the replica; what is wrong with what was asked stays as it is. */
function asReplicaError(error: unknown, path: string): ReplicaError {
  if (isDamage(error)) return damageOf(error);
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

/** Makes what answers for a file; nothing is opened before it is asked to advance. `tell` takes what happens without being asked for. */
export function createAnswers(writing: Writing, tell: (news: WriterNews) => void): Answers {
  const { path, role } = writing;
  const writer = createRoomyWriter(writing, tell);

  function run(call: Call): unknown {
    switch (call.kind) {
      case 'advance':
        return writer.advance();
      case 'mend':
        return writer.mend();
      case 'catch-up':
        return writer.catchUp();
      case 'close':
        return writer.close();
      case 'serve-vault':
        return startKeeper(call.port, call.setup);
      default:
        return writer.write(call);
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
    replica: createLocalReplica(writer.reached, {
      role,
      async write(wanted) {
        try {
          return writer.write(wanted);
        } catch (error) {
          throw asReplicaError(error, path);
        }
      },
    }),
  };
}
