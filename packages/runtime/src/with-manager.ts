/** Starts a manager on this machine: for the command line, a daemon, a function in the cloud, a web page. */
import type { ManagerKey } from '@certbus/events';
import { type Manager, type ManagerOptions, openManager } from '@certbus/manager';
import { openRenewalInfoNotes } from '@certbus/manager/renewal-info-notes';
import { openReplica } from '@certbus/replica';
import { type KnownTrust, readKnownTrust } from './checkpoint.ts';
import { type Environment, readReferences, secretsOf } from './environment.ts';
import { nothingThere } from './errors.ts';
import { createHolder, hasEnded } from './holder.ts';
import { createKeeping } from './keeping.ts';
import { loggerOf } from './logger.ts';
import { readManagerKey } from './manager-key.ts';
import { managerReplicaPath, type OpenBus, openLocalBus } from './open-bus.ts';
import { createSolverFactory } from './solvers/solvers.ts';

/** What of a manager its caller can set; the rest is the machine's. */
export type ManagerSettings = Pick<ManagerOptions, 'observe' | 'claimMs' | 'graceMs' | 'now' | 'limits'> &
  Partial<Pick<ManagerOptions, 'holder' | 'hasEnded' | 'signal'>> & {
    /** Whether it runs on, and answers others meanwhile: then its replica is written by a thread of its own. Default false. */
    readonly isLasting?: boolean;
  };

/** The bus of a manager, and what keeps what it learns while it runs on. */
export interface ManagedBus extends OpenBus {
  /**
   * Keeps how far the manager has read, and when to ask the CAs, where `CERTBUS_CHECKPOINT` is set, as the end of the run does: for a run that may not
   * come to its end. Never rejects: a failure is reported.
   */
  keep(): Promise<void>;
}

/** What a manager is made of. */
interface Parts {
  readonly open: OpenBus;
  readonly known: KnownTrust;
  readonly key: ManagerKey;
  readonly environment: Environment;
  readonly settings: ManagerSettings;
}

/** Closes what was opened for a run. A failure is reported, and loses nothing of what the run did: that is on the bus. */
async function closeReporting(what: string, close: () => Promise<void>, environment: Environment): Promise<void> {
  try {
    await close();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    loggerOf(environment).warn(`${what} was not closed`, { error: reason });
  }
}

/** Runs with a manager on a bus that is open; the replica and the notes are closed afterwards. */
async function runOn<T>(
  { open, known, key, environment, settings: { isLasting = false, ...settings } }: Parts,
  run: (manager: Manager, open: ManagedBus) => Promise<T>,
): Promise<T> {
  const { config, outgoing } = environment;
  // Where an earlier run has read the bus, a newest commit that is old is not suspicious.
  const acceptStale = environment.acceptStale || known.hasCheckpoint;
  const { bus, trust, archive } = open;
  const path = managerReplicaPath(environment);
  const replica = await openReplica({ path, busId: trust.busId, isBrief: !isLasting });
  try {
    using notes = openRenewalInfoNotes(path.replace(/\.db$/, '-renewal-info.db'));
    const logger = loggerOf(environment);
    const { now = () => new Date() } = settings;
    const keeping = createKeeping({ known, notes, archive, busId: trust.busId, logger, now });
    await keeping.begin(settings);
    const secrets = secretsOf(environment);
    const manager = await openManager({
      bus,
      key,
      replica,
      archive,
      acceptStale,
      holder: createHolder(),
      hasEnded,
      solvers: createSolverFactory(environment, secrets),
      secrets,
      notes,
      outgoing,
      logger,
      ...settings,
    });
    try {
      // The replica may be empty only because another process is about to fill it.
      if (manager.checkpoint.position === 0) await manager.refresh(settings.signal ? { signal: settings.signal } : {});
      if (manager.checkpoint.position === 0) throw nothingThere(config.bus);
      try {
        return await run(manager, { ...open, keep: () => keeping.keep(manager) });
      } finally {
        await keeping.end(manager);
      }
    } finally {
      await closeReporting('the manager', () => manager.close(), environment);
    }
  } finally {
    await closeReporting('the replica', () => replica.close(), environment);
  }
}

/**
 * Runs with a manager of this machine, and closes what was opened for it. Rejects with a `RuntimeError`, with
 * `CERTBUS_STORE_NOT_FOUND` where the address has no bus, as `openManager` does, and with the error of `run`. The signal of the settings
 * ends what comes before `run`.
 */
export async function withManager<T>(
  environment: Environment,
  run: (manager: Manager, open: ManagedBus) => Promise<T>,
  settings: ManagerSettings = {},
): Promise<T> {
  const [key, known] = await Promise.all([
    readManagerKey(environment, settings),
    readKnownTrust(environment, settings),
    readReferences(environment, settings),
  ]);
  const open = await openLocalBus(environment, { key, known, signal: settings.signal });
  try {
    return await runOn({ open, known, key, environment, settings }, run);
  } finally {
    await closeReporting('the bus', () => open.close(), environment);
  }
}
