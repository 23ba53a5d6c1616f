import {
  createBusId,
  createIdentity,
  createManagerKey,
  createRootKey,
  type EventOf,
  parseIdentityFile,
  parseManagerKey,
  parseRootKey,
  type Signer,
  type Trust,
} from '@certbus/events';
import { BEGINNING, type Checkpoint, type Commit, signRootEvent, type WrittenEvent } from '@certbus/events/history';
import { type ArchivePlace, type Bus, type Log, openBus, publishSnapshot, writeSnapshot } from '@certbus/store';
import { createMemoryLog } from '@certbus/store/memory';
import type { Replica } from './replica.ts';

/** A bus in memory, and what was appended to it, with the checkpoint behind each commit. */
export interface Story {
  readonly busId: string;
  readonly trust: Trust;
  readonly root: Signer;
  /** Of alice, its manager. */
  readonly signer: Signer;
  readonly log: Log;
  /** Opened for its manager. */
  readonly bus: Bus;
  readonly commits: Commit[];
  readonly checkpoints: Checkpoint[];
  say(...events: WrittenEvent[]): Promise<void>;
  /** The same, signed at another instant than now. */
  sayAt(at: Date, ...events: WrittenEvent[]): Promise<void>;
}

export const obtained = (
  certificateId: string,
  names: readonly string[],
  leaf = 'leaf',
  notAfter = '2027-02-20T00:00:00Z',
): EventOf<'CertificateObtained'> => ({
  type: 'CertificateObtained',
  issuanceId: 'issuance0001',
  certificateId,
  reason: 'new',
  names,
  leaf: Buffer.from(leaf).toString('base64'),
  issuers: [],
  sealedKey: Buffer.from('sealed').toString('base64'),
  serialNumber: '0A',
  notBefore: '2026-11-22T00:00:00Z',
  notAfter,
  challengeType: 'dns-01',
  directory: 'https://ca.test/dir',
});

/** Takes a snapshot of a replica that is at the head of its bus, and has the bus say so unless that is left out. */
export async function takeSnapshot(
  replica: Replica,
  place: ArchivePlace,
  { busId, say }: Pick<Story, 'busId'> & Partial<Pick<Story, 'say'>>,
): Promise<void> {
  const held = replica.hold();
  const [checkpoint, bus, rootEvents] = [held.checkpoint(), held.bus(), held.rootEvents()];
  const taken = await writeSnapshot(place, busId, { checkpoint, bus, rootEvents, records: held.records() });
  held.close();
  await say?.({ type: 'SnapshotTaken', ...taken });
  await publishSnapshot(place, busId, taken, { restored: checkpoint.restored, head: checkpoint });
}

export async function beginStory(): Promise<Story> {
  const root = parseRootKey(createRootKey());
  const { signer } = parseManagerKey(await createManagerKey());
  const { recipient } = await parseIdentityFile(await createIdentity());
  const trust = { busId: createBusId(), rootKey: root.publicKey };
  const log = createMemoryLog();
  const commits: Commit[] = [];
  const checkpoints: Checkpoint[] = [];
  const sayAs = async (as: typeof signer, at: Date, ...events: WrittenEvent[]) => {
    const bus = openBus(log, 'test', { trust, signer: as });
    const { commit, checkpoint } = await bus.append(checkpoints.at(-1) ?? BEGINNING, events, { at });
    commits.push(commit);
    checkpoints.push(checkpoint);
  };
  await sayAs(
    root,
    new Date(),
    { type: 'BusCreated', busId: trust.busId, rootKey: trust.rootKey },
    signRootEvent(root, trust.busId, 1, {
      type: 'ManagersUpdated',
      managers: [{ name: 'alice', signingKey: signer.publicKey, recipient }],
    }),
    signRootEvent(root, trust.busId, 2, { type: 'RecipientsUpdated', recipients: [{ name: 'edge', recipient }] }),
  );
  return {
    busId: trust.busId,
    trust,
    root,
    signer,
    log,
    bus: openBus(log, 'test', { trust, signer }),
    commits,
    checkpoints,
    say: (...events) => sayAs(signer, new Date(), ...events),
    sayAt: (at, ...events) => sayAs(signer, at, ...events),
  };
}
