import {
  createBusId,
  createIdentity,
  createManagerKey,
  createRootKey,
  parseIdentityFile,
  parseManagerKey,
  parseRootKey,
} from '@certbus/events';
import { createBus, type Manager, openManager } from '@certbus/manager';
import { openReplica } from '@certbus/replica';
import { createChallTestSrvSolver } from '@certbus/solvers/challtestsrv';
import { openBus } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { startChallTestSrv, startPebble, temporaryFolder } from 'certbus-services';

/** A manager on a SQLite bus, with a CA that validates for real over DNS-01. */
export interface ManagedSite {
  readonly manager: Manager;
  close(): Promise<void>;
}

/** Sets everything up, the account included, so that what is measured is an order and nothing else. */
export async function openSite(): Promise<ManagedSite> {
  const folder = temporaryFolder();
  const dns = await startChallTestSrv();
  const ca = await startPebble({ dnsServer: dns.dns });
  const root = parseRootKey(createRootKey());
  const managerText = await createManagerKey();
  const key = parseManagerKey(managerText);
  const recipientOf = async (text: string) => (await parseIdentityFile(text)).recipient;
  const trust = { busId: createBusId(), rootKey: root.publicKey };
  const log = await openLog(`sqlite:${folder.path}/bus.db#bench`, { create: true });
  await createBus(log, 'bench', {
    trust,
    root,
    managers: [{ name: 'bench', signingKey: key.signer.publicKey, recipient: await recipientOf(managerText) }],
    recipients: [
      { name: 'edge', recipient: await recipientOf(await createIdentity()) },
      { name: 'backup', recipient: await recipientOf(await createIdentity()) },
    ],
  });
  const replica = await openReplica({ path: `${folder.path}/manager.db`, busId: trust.busId });
  const manager = await openManager({
    bus: openBus(log, 'bench', { trust, signer: key.signer }),
    key,
    replica,
    holder: 'bench',
    solvers: async () => createChallTestSrvSolver({ url: dns.url }),
    secrets: () => undefined,
  });
  await manager.configure({
    version: 1,
    authorities: { pebble: { directory: ca.directory, termsOfServiceAgreed: true, roots: ca.roots } },
    defaultAuthority: 'pebble',
    dns: [{ zones: ['*'], provider: 'challtestsrv', url: dns.url }],
  });
  await manager.register({ signal: new AbortController().signal });
  return {
    manager,
    async close() {
      await manager.close();
      await replica.close();
      await log.close();
      await ca.stop();
      await dns.stop();
      folder.remove();
    },
  };
}
