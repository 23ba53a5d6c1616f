import { parseManagerKey } from '@certbus/events';
import { type Manager, openManager } from '@certbus/manager';
import { beginTestBus } from '@certbus/manager/testing';
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
  const log = await openLog(`sqlite:${folder.path}/bus.db#bench`, { create: true });
  const names = { manager: 'bench', recipients: ['edge', 'backup'] };
  const { managerKey, trust } = await beginTestBus(log, 'bench', names);
  const key = parseManagerKey(managerKey);
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
