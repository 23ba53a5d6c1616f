/** A replica as the thread that writes it sees it: nothing is handed to another one. */
import type { Building, FollowedReplica } from '../followed.ts';
import type { Change } from '../reader.ts';
import type { ReplicaRole } from './role.ts';
import { loadedRows } from './rows.ts';
import type { Write } from './writer.ts';

export interface LocalReplicaOptions {
  readonly role: ReplicaRole;
  readonly write: (write: Write) => Promise<readonly Change[]>;
}

/** What writes a copy that is built beside the one that is served. */
export function createBuilding({ role, write }: LocalReplicaOptions): Building {
  return {
    load: async (records) => void (await write({ kind: 'load', loaded: loadedRows(records, role) })),
    apply: async (commits, checkpoint) => void (await write({ kind: 'apply-to-building', commits, checkpoint })),
    serve: async () => void (await write({ kind: 'serve' })),
    abandon: async () => void (await write({ kind: 'abandon' })),
  };
}

/** Makes it; `reached` says how far it goes. */
export function createLocalReplica(
  { checkpoint, bus, isComplete, countLost }: Pick<FollowedReplica, 'checkpoint' | 'bus' | 'isComplete' | 'countLost'>,
  options: LocalReplicaOptions,
): FollowedReplica {
  const { write } = options;
  return {
    checkpoint,
    bus,
    isComplete,
    countLost,
    apply: (commits, reached, { isMore = false } = {}) =>
      write({ kind: 'apply', commits, checkpoint: reached, isMore }),
    async build(state) {
      await write({ kind: 'build', state });
      return createBuilding(options);
    },
    complete: async () => void (await write({ kind: 'complete' })),
  };
}
