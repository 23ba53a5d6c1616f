/** Makes a folder with a bus as `certbus init` does, without a CA, for tests. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatTrust } from '@certbus/events';
import { beginTestBus } from '@certbus/manager/testing';
import { openSqliteLog } from '@certbus/store/sqlite';

/** Makes a folder as `certbus init` leaves it, with a bus of the manager alice that was begun then and has nothing else on it. */
export async function beginSite(
  site: string,
  { begunAt = new Date() }: { readonly begunAt?: Date } = {},
): Promise<void> {
  mkdirSync(site);
  const log = await openSqliteLog(join(site, 'bus.db'), { create: true });
  const { rootKey, managerKey, identity, trust } = await beginTestBus(log, 'certbus', { now: () => begunAt });
  await log.close();
  const keys = { 'root.key': rootKey, 'manager.key': managerKey, 'loadbalancer.key': identity };
  for (const [file, text] of Object.entries(keys)) writeFileSync(join(site, file), text, { mode: 0o600 });
  writeFileSync(join(site, 'bus.pub'), `${formatTrust(trust)}\n`);
  const config = {
    bus: 'sqlite:./bus.db#certbus',
    trust: 'bus.pub',
    rootKey: 'root.key',
    managerKey: 'manager.key',
    identity: 'loadbalancer.key',
  };
  writeFileSync(join(site, 'certbus.json'), JSON.stringify(config));
}
