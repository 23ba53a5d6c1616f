import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { LETS_ENCRYPT_LIMITS, type Solver } from '@certbus/acme';
import { parseIdentityFile, parseManagerKey, type Trust } from '@certbus/events';
import { createBus, type Manager, openManager } from '@certbus/manager';
import { openRenewalInfoNotes } from '@certbus/manager/renewal-info-notes';
import { openReplica } from '@certbus/replica';
import { openBus } from '@certbus/store';
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

const STREAM = 'mass';
const THREE_HOURS_MS = 10_800_000;
/** For a CA that believes everything. */
const idle: Solver = { challenges: ['dns-01'], async present() {}, async ready() {}, async cleanUp() {} };
const addressIn = (folder: string) => `sqlite:${join(folder, 'bus.db')}#${STREAM}`;

/** Makes a bus on SQLite with a configuration for one CA. */
export async function createMassSite(
  folder: string,
  { directory, roots }: CaReady,
  newOrders: number,
): Promise<MassSite> {
  const { trust, root, signer, managerText, recipients } = await createFleetKeys();
  const { recipient } = await parseIdentityFile(managerText);
  const managers = [{ name: 'alice', signingKey: signer.publicKey, recipient }];
  const log = await openLog(addressIn(folder), { create: true });
  await createBus(log, STREAM, { trust, root, managers, recipients });
  await log.close();
  const site = { folder, trust, managerKey: managerText, newOrders };
  await withManager(site, { holder: 'init', aheadMs: 0 }, (manager) =>
    manager.configure({
      version: 1,
      authorities: { ca: { directory, roots, termsOfServiceAgreed: true } },
      defaultAuthority: 'ca',
      dns: [{ zones: ['*'], provider: 'challtestsrv', url: 'http://127.0.0.1:1' }],
    }),
  );
  return site;
}

/** Runs with a manager whose replica and notes lie in a folder of its own, as on a machine of its own; its clock is so far ahead. */
export async function withManager<T>(
  { folder, trust, managerKey, newOrders }: MassSite,
  { holder, aheadMs }: { readonly holder: string; readonly aheadMs: number },
  run: (manager: Manager) => Promise<T>,
): Promise<T> {
  const now = () => new Date(Date.now() + aheadMs);
  const own = join(folder, holder);
  mkdirSync(own, { recursive: true });
  const key = parseManagerKey(managerKey);
  const log = await openLog(addressIn(folder));
  const replica = await openReplica({ path: join(own, 'replica.db'), busId: trust.busId });
  using notes = openRenewalInfoNotes(join(own, 'notes.db'));
  const manager = await openManager({
    bus: openBus(log, STREAM, { trust, signer: key.signer }),
    key,
    replica,
    holder: `${holder} ${process.pid}`,
    solvers: async () => idle,
    secrets: () => undefined,
    // A holder that begins late has a clock that is far ahead of what was written.
    acceptStale: true,
    limits: () => ({ ...LETS_ENCRYPT_LIMITS, orders: { capacity: newOrders, refillMs: THREE_HOURS_MS / newOrders } }),
    now,
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
