/** Opens the bus of this machine, its archive and its replica. */
import { existsSync } from 'node:fs';
import type { ManagerKey, Trust } from '@certbus/events';
import type { Checkpoint } from '@certbus/events/history';
import { openReplica, replicaPath } from '@certbus/replica';
import { type ArchivePlace, type Bus, type Log, openBus, parseAddress } from '@certbus/store';
import { openArchivePlace, openLog } from '@certbus/store/open';
import { type KnownTrust, readKnownTrust } from './checkpoint.ts';
import type { Environment } from './environment.ts';
import { trustOf } from './trust-file.ts';

/** A bus that is open, and how to close it. */
export interface OpenBus {
  readonly bus: Bus;
  readonly log: Log;
  readonly stream: string;
  readonly archive: ArchivePlace | undefined;
  readonly trust: Trust;
  close(): Promise<void>;
}

/** How a bus is opened. */
export interface OpenBusOptions {
  /** Signs commits. Default: the bus is only read. */
  readonly key?: ManagerKey | undefined;
  /** What this machine knows of the bus. Default: as `readKnownTrust` reads it. */
  readonly known?: Pick<KnownTrust, 'trust'> | undefined;
  /** Ends opening, with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens the bus that the local configuration names, through the proxy of the environment. It is held against the floor of its trust and against the
 * checkpoint at `CERTBUS_CHECKPOINT`. Rejects as `readKnownTrust`, and with a `StoreError`.
 */
export async function openLocalBus(
  environment: Pick<Environment, 'config' | 'variables' | 'outgoing'>,
  { key, known, signal }: OpenBusOptions = {},
): Promise<OpenBus> {
  const { config, outgoing } = environment;
  const { bus, archive: archiveAddress } = config;
  const { trust } = known ?? (await readKnownTrust(environment, { signal }));
  const { stream } = parseAddress(bus);
  const archive = archiveAddress === undefined ? undefined : await openArchivePlace(archiveAddress, { outgoing });
  const log = await openLog(bus, { outgoing, signal });
  return {
    bus: openBus(log, stream, { trust, archive, signer: key?.signer }),
    log,
    stream,
    archive,
    trust,
    async close() {
      await log.close();
      await archive?.close();
    },
  };
}

/** The file of this machine's manager's replica. */
export function managerReplicaPath({ stateDirectory, config }: Environment): string {
  return replicaPath({ stateDirectory, role: 'manager', address: config.bus });
}

/** How far this machine's manager has read of its bus; `undefined` where it has no replica. */
export async function knownCheckpoint(environment: Environment): Promise<Checkpoint | undefined> {
  const path = managerReplicaPath(environment);
  if (!existsSync(path)) return undefined;
  const { busId } = trustOf(environment.config);
  const replica = await openReplica({ path, busId, isBrief: true });
  try {
    return replica.checkpoint();
  } finally {
    await replica.close();
  }
}
