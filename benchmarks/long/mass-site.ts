import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { LETS_ENCRYPT_LIMITS, type Solver } from '@certbus/acme';
import { parseIdentityFile, parseManagerKey, type Trust } from '@certbus/events';
import { createBus, type Manager, type ManagerOptions, openManager, type SolverFactory } from '@certbus/manager';
import { openRenewalInfoNotes } from '@certbus/manager/renewal-info-notes';
import { openReplica } from '@certbus/replica';
import { type Log, openBus } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { createFleetKeys } from '../fleet.ts';
import type { CaReady } from './mass-ca.ts';

/** All that a manager's process needs to know; plain JSON. */
export interface MassSite {
  readonly folder: string;
  readonly trust: Trust;
  readonly managerKey: string;
  /** New orders that the CA takes in three hours. */
  readonly newOrders: number;
}

/** The stream of a site's bus. */
export const MASS_STREAM = 'mass';
const THREE_HOURS_MS = 10_800_000;
/** For a CA that believes everything. */
const idle: Solver = { challenges: ['dns-01'], async present() {}, async ready() {}, async cleanUp() {} };
const addressIn = (folder: string) => `sqlite:${join(folder, 'bus.db')}#${MASS_STREAM}`;

/** Makes a bus on SQLite with a configuration for one CA. `dnsUrl`: where challenges are answered, for a CA that looks at them. */
export async function createMassSite(
  folder: string,
  { directory, roots }: CaReady,
  { newOrders, dnsUrl = 'http://127.0.0.1:1' }: { readonly newOrders: number; readonly dnsUrl?: string },
): Promise<MassSite> {
  const { trust, root, signer, managerText, recipients } = await createFleetKeys();
  const { recipient } = await parseIdentityFile(managerText);
  const managers = [{ name: 'alice', signingKey: signer.publicKey, recipient }];
  const log = await openLog(addressIn(folder), { create: true });
  await createBus(log, MASS_STREAM, { trust, root, managers, recipients });
  await log.close();
  const site = { folder, trust, managerKey: managerText, newOrders };
  await withManager(site, { holder: 'init' }, (manager) =>
    manager.configure({
      version: 1,
      authorities: { ca: { directory, roots, termsOfServiceAgreed: true } },
      defaultAuthority: 'ca',
      dns: [{ zones: ['*'], provider: 'challtestsrv', url: dnsUrl }],
    }),
  );
  return site;
}

/** A machine that a manager runs on. */
export interface MassMachine extends Pick<ManagerOptions, 'now'> {
  readonly holder: string;
  /** Default: what answers nothing, for a CA that believes everything. */
  readonly solvers?: SolverFactory;
  /** What is between the bus and its store. */
  readonly throughLog?: (log: Log) => Log;
}

/** Opens the log of a site. */
export const openMassLog = ({ folder }: Pick<MassSite, 'folder'>): Promise<Log> => openLog(addressIn(folder));

/** Runs with a manager whose replica and notes are in a folder of its own, as on a machine of its own. */
export async function withManager<T>(
  site: MassSite,
  { holder, solvers = async () => idle, throughLog = (log) => log, ...clock }: MassMachine,
  run: (manager: Manager) => Promise<T>,
): Promise<T> {
  const { folder, trust, managerKey, newOrders } = site;
  const own = join(folder, holder);
  mkdirSync(own, { recursive: true });
  const key = parseManagerKey(managerKey);
  const log = throughLog(await openMassLog(site));
  const replica = await openReplica({ path: join(own, 'replica.db'), busId: trust.busId });
  using notes = openRenewalInfoNotes(join(own, 'notes.db'));
  const manager = await openManager({
    ...clock,
    bus: openBus(log, MASS_STREAM, { trust, signer: key.signer }),
    key,
    replica,
    holder: `${holder} ${process.pid}`,
    solvers,
    secrets: () => undefined,
    // A holder that begins late has a clock that is far ahead of what was written.
    acceptStale: true,
    limits: () => ({ ...LETS_ENCRYPT_LIMITS, orders: { capacity: newOrders, refillMs: THREE_HOURS_MS / newOrders } }),
    notes,
  });
  try {
    return await run(manager);
  } finally {
    await manager.close();
    await replica.close();
    await log.close();
  }
}
