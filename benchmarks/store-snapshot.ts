import { rmSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openReplica, synchronize } from '@certbus/replica';
import { type ArchivePlace, type Bus, openBus, publishSnapshot, writeSnapshot } from '@certbus/store';
import { openFolder } from '@certbus/store/folder';
import { openLog } from '@certbus/store/open';
import { temporaryFolder } from 'certbus-services';
import { writeBus } from './bulk.ts';
import { type Benchmark, quantile } from './figure.ts';
import { createFleet, createFleetKeys } from './fleet.ts';

/** Issued twelve times: what a year leaves of certificates that are renewed every month. */
const YEAR = 12;

/** A bus in a folder, a replica of it, and a snapshot that its bus vouches for. */
async function openFleet(certificates: number, rounds: number) {
  const folder = temporaryFolder();
  const keys = await createFleetKeys();
  const { busId } = keys.trust;
  const fleet = await createFleet({ certificates, together: 25, rounds, keys });
  await writeBus(join(folder.path, 'bus.db'), 'fleet', fleet.commits());
  const log = await openLog(`sqlite:${folder.path}/bus.db#fleet`);
  const bus = openBus(log, 'fleet', keys);
  const replica = await openReplica({ path: join(folder.path, 'manager.db'), busId });
  await synchronize(replica, bus);
  const root = join(folder.path, 'archive');
  const place = openFolder(root);
  const held = replica.hold();
  const [checkpoint, rootEvents] = [held.checkpoint(), held.rootEvents()];
  const taken = await writeSnapshot(place, busId, { checkpoint, rootEvents, bus: held.bus(), records: held.records() });
  held.close();
  await replica.close();
  await bus.append(checkpoint, [{ type: 'SnapshotTaken', ...taken }], { at: new Date() });
  await publishSnapshot(place, busId, taken, { restored: checkpoint.restored, head: checkpoint });
  const close = async () => {
    await log.close();
    folder.remove();
  };
  return { folder: folder.path, root, place, bus, busId, fleet, certificates, close };
}

async function sizeOf(root: string): Promise<number> {
  const files = (await readdir(root, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  return files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}

/** `store.snapshot.size`: everything that a snapshot writes, against the random bytes in its content. */
async function measureSize(certificates: number) {
  const { root, fleet, close } = await openFleet(certificates, 1);
  try {
    const value = (await sizeOf(root)) / fleet.randomBytes;
    const against = `the random bytes of ${certificates.toLocaleString('en')} certificates`;
    return { figure: 'store.snapshot.size', value, unit: 'x' as const, against, low: value, high: value, n: 1 };
  } finally {
    await close();
  }
}

interface Site {
  readonly folder: string;
  readonly bus: Bus;
  readonly busId: string;
  readonly certificates: number;
}

/** How long a new replica takes until it is at the head, in milliseconds. */
async function startNewcomer(site: Site, archive: ArchivePlace | undefined): Promise<number> {
  const folder = join(site.folder, 'newcomer');
  const began = performance.now();
  const replica = await openReplica({ path: join(folder, 'replica.db'), busId: site.busId });
  await synchronize(replica, site.bus, { archive });
  const took = performance.now() - began;
  if (replica.countServed() !== site.certificates) throw new Error('a newcomer does not serve every certificate');
  await replica.close();
  rmSync(folder, { recursive: true });
  return took;
}

/** `store.newcomer`: the log's time divided by the snapshot's. */
async function measureNewcomer(
  figure: string,
  { certificates, rounds, n }: { certificates: number; rounds: number; n: number },
) {
  const site = await openFleet(certificates, rounds);
  try {
    const ratios: number[] = [];
    const controls: number[] = [];
    for (let slice = 0; slice < n; slice += 1) {
      const bySnapshot = await startNewcomer(site, site.place);
      const byLog = await startNewcomer(site, undefined);
      controls.push(bySnapshot / (await startNewcomer(site, site.place)));
      ratios.push(byLog / bySnapshot);
    }
    const [value, low, high] = [0.5, 0.25, 0.75].map((share) => quantile(ratios, share)) as [number, number, number];
    const age = rounds === 1 ? 'each issued once' : `each issued ${rounds} times`;
    const against = `reading the log of ${certificates.toLocaleString('en')} certificates, ${age}`;
    return { figure, value, unit: 'x' as const, against, low, high, control: quantile(controls, 0.5), n };
  } finally {
    await site.close();
  }
}

/** A snapshot's size, and a newcomer by snapshot on a bus that is a year old and on one that has just begun. */
export const storeSnapshot: Benchmark = async ({ quick }) => [
  await measureSize(quick ? 2_000 : 50_000),
  await measureNewcomer('store.newcomer', { certificates: quick ? 500 : 10_000, rounds: YEAR, n: quick ? 1 : 6 }),
  await measureNewcomer('store.newcomer.young', { certificates: quick ? 2_000 : 50_000, rounds: 1, n: quick ? 1 : 6 }),
];
