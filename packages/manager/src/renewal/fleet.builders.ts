/** Many certificates on a bus, and what counts how many of them a manager reads. */
import { type EventOf, parseManagerKey, sha256 } from '@certbus/events';
import type { Checkpoint, WrittenEvent } from '@certbus/events/history';
import type { Replica } from '@certbus/replica';
import { type Bus, openBus } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import type { Site } from '../issuance/manager.builders.ts';

export const DIRECTORY = 'https://ca.test/dir';
export const ISSUED_AT = new Date('2026-11-22T00:00:00Z');
const LIFETIME_MS = 90 * 86_400_000;
const TOGETHER = 100;

/** What a certificate of the fleet is obtained with; it is due after 60 days. */
export const obtained = (certificateId: string, leaf = `leaf of ${certificateId}`): EventOf<'CertificateObtained'> => ({
  type: 'CertificateObtained',
  issuanceId: 'issuance0001',
  certificateId,
  reason: 'new',
  names: [`${certificateId}.test`],
  leaf: Buffer.from(leaf).toString('base64'),
  issuers: [],
  sealedKey: Buffer.from('sealed').toString('base64'),
  serialNumber: '0A',
  notBefore: ISSUED_AT.toISOString(),
  notAfter: new Date(ISSUED_AT.getTime() + LIFETIME_MS).toISOString(),
  challengeType: 'dns-01',
  directory: DIRECTORY,
});

export const leafHashOf = ({ leaf }: Pick<EventOf<'CertificateObtained'>, 'leaf'>): string =>
  sha256(Buffer.from(leaf, 'base64'));

/** Runs with the bus of a site, opened for its manager. */
export async function withBus<T>({ address, trust, managerKey }: Site, run: (bus: Bus) => Promise<T>): Promise<T> {
  const log = await openLog(address);
  try {
    return await run(openBus(log, 'test', { trust, signer: parseManagerKey(managerKey).signer }));
  } finally {
    await log.close();
  }
}

/** Says events on a bus behind a checkpoint, many a commit; returns the checkpoint behind them. */
export async function say(bus: Bus, from: Checkpoint, events: readonly WrittenEvent[]): Promise<Checkpoint> {
  let checkpoint = from;
  for (let n = 0; n < events.length; n += TOGETHER)
    ({ checkpoint } = await bus.append(checkpoint, events.slice(n, n + TOGETHER), { at: ISSUED_AT }));
  return checkpoint;
}

/** How much was read of a replica. */
export interface Readings {
  certificates: number;
  leaves: number;
}

/** A replica that counts what is read of it, however it is read. */
export function counted(replica: Replica): Replica & { readonly readings: Readings } {
  const readings: Readings = { certificates: 0, leaves: 0 };
  function* count<T>(found: Iterable<T>): Iterable<T> {
    for (const each of found) {
      readings.certificates += 1;
      yield each;
    }
  }
  function countLeaves<T>(leaves: readonly T[]): T[] {
    readings.leaves += leaves.length;
    return [...leaves];
  }
  const counting: Partial<Replica> = {
    certificate: (certificateId) => [...count([replica.certificate(certificateId)])][0],
    lookup: (serverName) => [...count(replica.lookup(serverName))],
    certificates: () => count(replica.certificates()),
    records: () => count(replica.records()),
    due: (at) => count(replica.due(at)),
    paused: (range) => count(replica.paused(range)),
    leavesAfter: (position, limit) => countLeaves(replica.leavesAfter(position, limit)),
    leavesUpTo: (position, limit) => countLeaves(replica.leavesUpTo(position, limit)),
  };
  return Object.assign(Object.create(replica) as Replica, counting, { readings });
}
