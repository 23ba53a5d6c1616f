/** Starts a manager on this machine: for the command line, a daemon, a function in the cloud, a web page. */
import type { ManagerKey } from '@certbus/events';
import { type Manager, type ManagerOptions, openManager } from '@certbus/manager';
import { archiveNotes, takeArchivedNotes } from '@certbus/manager/renewal-info-archive';
import { openRenewalInfoNotes, type StoredRenewalInfoNotes } from '@certbus/manager/renewal-info-notes';
import { openReplica } from '@certbus/replica';
import { applyKnownTrust, type KnownTrust, readKnownTrust } from './checkpoint.ts';
import { type Environment, readReferences, secretsOf } from './environment.ts';
import { nothingThere } from './errors.ts';
import { createHolder, hasEnded } from './holder.ts';
import { loggerOf } from './logger.ts';
import { readManagerKey } from './manager-key.ts';
import { managerReplicaPath, type OpenBus, openLocalBus } from './open-bus.ts';
import { createSolverFactory } from './solvers/solvers.ts';

/** What of a manager its caller can set; the rest is the machine's. */
export type ManagerSettings = Pick<ManagerOptions, 'observe' | 'claimMs' | 'graceMs' | 'now' | 'limits'> &
  Partial<Pick<ManagerOptions, 'holder' | 'hasEnded' | 'signal'>>;

/** Bound of keeping the notes, milliseconds, as for a checkpoint: a function has half a minute for all that comes after its run. */
const NOTES_MS = 10_000;

/** What a manager is made of. */
interface Parts {
  readonly open: OpenBus;
  readonly known: KnownTrust;
  readonly key: ManagerKey;
  readonly environment: Environment;
  readonly settings: ManagerSettings;
}

/**
 * Keeps the notes of when to ask the CAs in the archive, where the folder of this manager does not last. A failure is reported, and is not one of what
 * ran: then the CAs are asked again.
 */
function keepNotes(
  notes: StoredRenewalInfoNotes,
  { open: { archive, trust }, known, environment }: Pick<Parts, 'open' | 'known' | 'environment'>,
) {
  const report = (what: string) => (error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    loggerOf(environment).warn(`the notes of when to ask the CAs were not ${what}`, { error: reason });
  };
  const place = known.isKept ? archive : undefined;
  const { busId } = trust;
  return {
    begin: async () => (place ? takeArchivedNotes(notes, { place, busId }).catch(report('read')) : undefined),
    async end() {
      const signal = AbortSignal.timeout(NOTES_MS);
      if (!place || notes.changes() === 0) return;
      await archiveNotes(notes, { place, busId, signal }).then(() => {}, report('written'));
    },
  };
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
  { open, known, key, environment, settings }: Parts,
  run: (manager: Manager) => Promise<T>,
): Promise<T> {
  const { config, outgoing, acceptStale } = environment;
  const { bus, trust, archive } = open;
  const path = managerReplicaPath(environment);
  const replica = await openReplica({ path, busId: trust.busId });
  try {
    using notes = openRenewalInfoNotes(path.replace(/\.db$/, '-renewal-info.db'));
    const keeping = keepNotes(notes, { open, known, environment });
    await keeping.begin();
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
      logger: loggerOf(environment),
      ...settings,
    });
    try {
      // The replica may be empty only because another process is about to fill it.
      if (manager.checkpoint.position === 0) await manager.refresh(settings.signal ? { signal: settings.signal } : {});
      if (manager.checkpoint.position === 0) throw nothingThere(config.bus);
      return await run(manager);
    } finally {
      await keeping.end();
      await closeReporting('the manager', () => manager.close(), environment);
    }
  } finally {
    await closeReporting('the replica', () => replica.close(), environment);
  }
}

/** Keeps how far a manager has come. A failure is reported, and is not one of what ran: what the checkpoint guards against is rare. */
async function keepCheckpoint(
  known: KnownTrust,
  { checkpoint, staleSince }: Manager,
  environment: Environment,
): Promise<void> {
  // What could be a history that was cut off is not what this manager knows.
  if (staleSince) return;
  try {
    await known.keep(checkpoint);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    loggerOf(environment).warn('the checkpoint was not written', { error: reason });
  }
}

/**
 * Runs with a manager of this machine, and closes what was opened for it. Rejects with a `RuntimeError`, with
 * `CERTBUS_STORE_NOT_FOUND` where the address has no bus, as `openManager` does, and with the error of `run`. The signal of the settings
 * ends what comes before `run`.
 */
export async function withManager<T>(
  environment: Environment,
  run: (manager: Manager, open: OpenBus) => Promise<T>,
  settings: ManagerSettings = {},
): Promise<T> {
  const [key, known] = await Promise.all([
    readManagerKey(environment, settings),
    readKnownTrust(environment, settings),
    readReferences(environment, settings),
  ]);
  const from = applyKnownTrust(environment, known);
  const open = await openLocalBus(from, key);
  try {
    return await runOn({ open, known, key, environment: from, settings }, async (manager) => {
      try {
        return await run(manager, open);
      } finally {
        await keepCheckpoint(known, manager, from);
      }
    });
  } finally {
    await closeReporting('the bus', () => open.close(), from);
  }
}
