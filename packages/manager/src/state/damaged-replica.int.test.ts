/** Tests of a manager whose replica is damaged while it runs. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseManagerKey } from '@certbus/events';
import { BEGINNING } from '@certbus/events/history';
import { openReplica } from '@certbus/replica';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { openManager } from '../index.ts';
import { createSite } from '../issuance/manager.builders.ts';
import { obtained, withBus } from '../renewal/fleet.builders.ts';

const CONFIG = {
  version: 1,
  authorities: { ca: { directory: 'https://ca.test/dir', termsOfServiceAgreed: true } },
  defaultAuthority: 'ca',
};

function damage(path: string, certificateId: string): void {
  const database = new DatabaseSync(path);
  database
    .prepare(
      'UPDATE states SET digest = digest + 1 WHERE number = (SELECT number FROM certificates WHERE certificate_id = ?)',
    )
    .run(certificateId);
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  database.close();
}

test('nothing is decided on what is left of a damaged replica: the bus is read again first', async () => {
  const folder = temporaryFolder();
  onTestFinished(() => folder.remove());
  const site = await createSite(`${folder.path}/bus.db`, CONFIG);
  await withBus(site, async (bus) => {
    const { checkpoint } = await bus.read(BEGINNING, { limit: 10_000, consistent: true });
    await bus.append(checkpoint, [obtained('certificate1'), obtained('certificate2')], { at: new Date() });
    const path = join(folder.path, 'replica.db');
    const replica = await openReplica({ path, busId: site.trust.busId });
    const manager = await openManager({
      bus,
      key: parseManagerKey(site.managerKey),
      replica,
      solvers: () => Promise.reject(new TypeError('nothing is proved here')),
      secrets: () => undefined,
      holder: 'one',
    });
    damage(path, 'certificate1');
    expect(() => manager.state.certificate('certificate1')).toThrow(/damaged/);
    await expect.poll(() => replica.countLost()).toBe(1);
    expect(manager.state.certificate('certificate1')).toBeUndefined();
    // Refused, if it was not there.
    await manager.remove('certificate1');
    expect(manager.state.certificate('certificate1')).toMatchObject({ removed: true });
    expect(manager.state.certificate('certificate2')).toMatchObject({ removed: false });
    expect(replica.countLost()).toBeUndefined();
    await manager.close();
    await replica.close();
  });
});
