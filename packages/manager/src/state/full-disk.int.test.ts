/** Tests of a manager whose replica is on a disk that is full for a while. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseManagerKey } from '@certbus/events';
import { BEGINNING } from '@certbus/events/history';
import { openReplica } from '@certbus/replica';
import type { Bus } from '@certbus/store';
import { type Disk, mountDisk, requirePart, temporaryFolder } from 'certbus-services';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Manager, openManager } from '../index.ts';
import { createSite } from '../issuance/manager.builders.ts';
import { obtained, withBus } from '../renewal/fleet.builders.ts';
import { openRenewalInfoNotes } from '../renewal/renewal-info-notes.ts';

/** Its CA is not asked. */
const CONFIG = {
  version: 1,
  authorities: { ca: { directory: 'https://ca.test/dir', termsOfServiceAgreed: true } },
  defaultAuthority: 'ca',
};
const folder = temporaryFolder();
afterAll(() => folder.remove());

function fill({ path }: Disk): void {
  try {
    writeFileSync(join(path, 'filler'), Buffer.alloc(8 * 2 ** 20));
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' });
  }
}

async function say(bus: Bus, id: string): Promise<void> {
  const { checkpoint } = await bus.read(BEGINNING, { limit: 10_000, consistent: true });
  await bus.append(checkpoint, [obtained(id)], { at: new Date() });
}

const part = requirePart('disks');
describe.skipIf(part.skip)(part.title('a replica on a disk that is full for a while'), () => {
  test('takes everything once there is room, in the same process', async () => {
    const disk = mountDisk(join(folder.path, 'state'), { megabytes: 4 });
    onTestFinished(() => disk.remove());
    const site = await createSite(`${folder.path}/bus.db`, CONFIG);
    await withBus(site, async (bus) => {
      const replica = await openReplica({ path: join(disk.path, 'replica.db'), busId: site.trust.busId });
      onTestFinished(() => replica.close());
      const warnings: string[] = [];
      const logger = { debug() {}, info() {}, warn: (message: string) => void warnings.push(message), error() {} };
      const key = parseManagerKey(site.managerKey);
      const solvers = () => Promise.reject(new TypeError('nothing is proved here'));
      const manager = await openManager({
        bus,
        key,
        replica,
        solvers,
        secrets: () => undefined,
        holder: 'one',
        logger,
      });
      fill(disk);
      for (let n = 0; n < 200 && warnings.length === 0; n += 1) {
        await say(bus, `certificate${n}`);
        await manager.refresh();
        await expect
          .poll(() => warnings.length > 0 || replica.checkpoint().position === manager.checkpoint.position)
          .toBe(true);
      }
      expect(warnings).toContain('the replica is behind');
      rmSync(join(disk.path, 'filler'));
      await say(bus, 'certificate999');
      await manager.refresh();
      await expect.poll(() => replica.checkpoint()).toEqual(manager.checkpoint);
      expect(replica.certificate('certificate999')).toBeDefined();
      await manager.close();
    });
  });

  test.each(['full', 'read-only'])(
    'that is %s at the start, a manager goes on in memory from what was read',
    async (state) => {
      const disk = mountDisk(join(folder.path, `state-${state}`), { megabytes: 4 });
      onTestFinished(() => disk.remove());
      const site = await createSite(`${folder.path}/${state}.db`, CONFIG);
      const path = join(disk.path, 'replica.db');
      await withBus(site, async (bus) => {
        const open = async (run: (manager: Manager) => Promise<void>) => {
          const replica = await openReplica({ path, busId: site.trust.busId });
          try {
            using notes = openRenewalInfoNotes(join(disk.path, 'notes.db'));
            const key = parseManagerKey(site.managerKey);
            const solvers = () => Promise.reject(new TypeError('nothing is proved here'));
            const secrets = () => undefined;
            const manager = await openManager({ bus, key, replica, solvers, secrets, notes, holder: 'one' });
            await run(manager);
            await manager.close();
          } finally {
            await replica.close();
          }
        };
        await open((manager) => manager.refresh());
        if (state === 'full') fill(disk);
        else disk.remount('ro');
        await say(bus, 'certificate1');
        await open(async (manager) => {
          await manager.refresh();
          expect(manager.certificate('certificate1').names).toEqual(['certificate1.test']);
          const local = { files: [], stateDirectory: disk.path };
          const signal = AbortSignal.timeout(280_000);
          const findings = await manager.diagnose({ signal, local, domains: [], writeDns: false });
          const detail = expect.stringMatching(/cannot be written: E(NOSPC|ROFS)/);
          expect(findings).toContainEqual(expect.objectContaining({ check: 'files', status: 'failed', detail }));
        });
      });
    },
  );

  test('that is full when there is no replica yet, the error has the reason of the disk', async () => {
    const disk = mountDisk(join(folder.path, 'none'), { megabytes: 4 });
    onTestFinished(() => disk.remove());
    fill(disk);
    const opening = openReplica({ path: join(disk.path, 'replica.db'), busId: 'x'.repeat(43) });
    await expect(opening).rejects.toMatchObject({
      code: 'CERTBUS_REPLICA_FAILED',
      message: expect.stringContaining('its disk is full'),
    });
  });
});
