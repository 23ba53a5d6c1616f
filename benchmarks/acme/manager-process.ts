/**
 * The manager as a contender: it renews as many certificates as there are orders, all of them due, from a queue that it finds when it is opened. What
 * there is not yet it issues before that, which is not measured.
 */
import { parseManagerKey } from '@certbus/events';
import { createBus, type Manager, openManager } from '@certbus/manager';
import { openReplica } from '@certbus/replica';
import { openBus, parseAddress } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { temporaryFolder } from 'certbus-services';
import { createFleetKeys } from '../fleet.ts';
import { createAnsweringSolver } from './answering-solver.ts';
import { type Orders, type Outcome, serveSlices, workThrough } from './orders.ts';
import type { Site } from './site.ts';

const { bus, ...site } = JSON.parse(process.argv[2] ?? '') as Site & { readonly bus?: string };
/** By then every certificate of any CA is due. */
const LATER = new Date('2200-01-01T00:00:00Z');
const folder = temporaryFolder();
const address = bus ?? `sqlite:${folder.path}/bus.db#bench`;
const { stream } = parseAddress(address);
const { trust, root, signer, managerText, managerRecipient, recipients } = await createFleetKeys();
const key = parseManagerKey(managerText);
const solver = createAnsweringSolver(site);
const { signal } = new AbortController();

async function withManager<T>(work: (manager: Manager) => Promise<T>): Promise<T> {
  const log = await openLog(address);
  const replica = await openReplica({ path: `${folder.path}/manager.db`, busId: trust.busId });
  const manager = await openManager({
    bus: openBus(log, stream, { trust, signer }),
    key,
    replica,
    holder: `bench ${process.pid}`,
    solvers: async () => solver,
    secrets: () => undefined,
  });
  try {
    return await work(manager);
  } finally {
    await manager.close();
    await replica.close();
    await log.close();
  }
}

async function begin(): Promise<void> {
  const log = await openLog(address, { create: true });
  const managers = [{ name: 'bench', signingKey: signer.publicKey, recipient: managerRecipient }];
  await createBus(log, stream, { trust, root, managers, recipients });
  await log.close();
  await withManager((manager) =>
    manager.configure({
      version: 1,
      authorities: { ca: { directory: site.directory, roots: site.roots, termsOfServiceAgreed: true } },
      defaultAuthority: 'ca',
      http01: { answer: 'clients', resolver: [site.dns] },
      parallelOrders: 10,
    }),
  );
}

async function issue({ orders, parallel }: Orders): Promise<void> {
  const { challenge: challengeType } = site;
  await withManager(async (manager) => {
    const missing = orders.slice([...manager.state.all()].length);
    const { lost } = await workThrough({ orders: missing, parallel }, async (names) => {
      await manager.issue({ names, challengeType }, { signal });
    });
    if (lost.length > 0) throw new Error(`what is to be renewed was not issued: ${lost[0]}`);
  });
}

async function renew({ orders }: Orders): Promise<Outcome> {
  const began = performance.now();
  // After a warm-up there can be more than this slice has orders.
  const limit = orders.length;
  const { outcomes } = await withManager((manager) => manager.runOnce({ at: LATER, limit, signal }));
  const ms = performance.now() - began;
  const lost = outcomes.filter(({ outcome }) => outcome !== 'renewed');
  if (outcomes.length !== orders.length) throw new Error(`${outcomes.length} of ${orders.length} were due`);
  return { lost: lost.map(({ outcome, error }) => `${outcome}: ${error}`), ms };
}

await begin();
await serveSlices(async (orders) => {
  await issue(orders);
  return renew(orders);
});
folder.remove();
