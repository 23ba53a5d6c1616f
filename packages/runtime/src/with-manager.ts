/** Starts a manager on this machine: for the command line, a daemon, a function in the cloud, a web page. */
import { hostname } from 'node:os';
import { proxyOf } from '@certbus/acme';
import { createId, parseManagerKey } from '@certbus/events';
import { type Manager, openManager } from '@certbus/manager';
import { openRenewalInfoNotes } from '@certbus/manager/renewal-info-notes';
import { openReplica } from '@certbus/replica';
import { type Environment, secretsOf } from './environment.ts';
import { nothingThere } from './errors.ts';
import { createLogger } from './logger.ts';
import { managerReplicaPath, type OpenBus, openLocalBus } from './open-bus.ts';
import { createSolverFactory } from './solvers/solvers.ts';

/**
 * Runs with a manager of this machine, and closes what was opened for it. Rejects with a `RuntimeError`, with
 * `CERTBUS_STORE_NOT_FOUND` where there is no bus at the address, as `openManager` does, and with what `run` rejects with.
 */
export async function withManager<T>(
  environment: Environment,
  run: (manager: Manager, open: OpenBus) => Promise<T>,
): Promise<T> {
  const { config, variables, writeLine } = environment;
  const key = parseManagerKey(config.managerKey());
  const open = await openLocalBus(config, key);
  const { bus, trust, archive, close } = open;
  try {
    const path = managerReplicaPath(environment);
    const replica = await openReplica({ path, busId: trust.busId });
    try {
      using notes = openRenewalInfoNotes(path.replace(/\.db$/, '-renewal-info.db'));
      const secrets = secretsOf(environment);
      const manager = await openManager({
        bus,
        key,
        replica,
        archive,
        holder: `${hostname()} process ${process.pid} (${createId()})`,
        solvers: createSolverFactory(environment, secrets),
        secrets,
        notes,
        proxy: proxyOf(variables),
        logger: createLogger(variables['CERTBUS_LOG'], writeLine),
      });
      try {
        // The replica may be empty only because another process is about to fill it.
        if (manager.checkpoint.position === 0) await manager.refresh();
        if (manager.checkpoint.position === 0) throw nothingThere(config.bus);
        return await run(manager, open);
      } finally {
        await manager.close();
      }
    } finally {
      await replica.close();
    }
  } finally {
    await close();
  }
}
