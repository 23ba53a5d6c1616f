/** A bus of which one manager's key was stolen, what its thief writes, and what a replica makes of it. */
import {
  createIdentity,
  createManagerKey,
  parseIdentityFile,
  parseManagerKey,
  type Signer,
  sha256,
} from '@certbus/events';
import {
  BEGINNING,
  type Checkpoint,
  encodeCommit,
  evolve,
  signRootEvent,
  type WrittenEvent,
} from '@certbus/events/history';
import { type Bus, openBus } from '@certbus/store';
import { beginStory, obtained, type Story } from './replica.builders.ts';
import type { Replica } from './replica.ts';

/** Who writes: alice is honest, the other one's key was stolen. */
export type Writer = 'alice' | 'mallory';

/** A bus with two managers. */
export interface Heist extends Story {
  /** Of mallory, whose key was stolen. */
  readonly stolen: Signer;
  /** Appends a commit behind the head, whatever is wrong with its events; returns its position. */
  write(by: Writer, events: readonly object[], at?: Date): Promise<number>;
  /** The same in alice's name, with a signature that is not hers: nobody looks at it once mallory has signed what follows. */
  forge(events: readonly object[]): Promise<number>;
  /** Has the root expel mallory; returns the position. */
  expel(since: number): Promise<number>;
  head(): Checkpoint;
}

/** Begins a bus with two managers. */
export async function beginHeist(): Promise<Heist> {
  const story = await beginStory();
  const { signer: stolen } = parseManagerKey(await createManagerKey());
  const { recipient } = await parseIdentityFile(await createIdentity());
  const managers = [
    { name: 'alice', signingKey: story.signer.publicKey, recipient },
    { name: 'mallory', signingKey: stolen.publicKey, recipient },
  ];
  await story.say(signRootEvent(story.root, story.busId, 3, { type: 'ManagersUpdated', managers }));
  let head = story.checkpoints.at(-1) as Checkpoint;

  async function append(bytes: Uint8Array): Promise<number> {
    const position = await story.log.append('test', head.position, bytes);
    head = { ...head, position, hash: sha256(bytes) };
    return position;
  }
  const encode = (by: Writer, signer: Signer, events: readonly object[], at: Date) =>
    encodeCommit(
      {
        format: 1,
        bus: story.busId,
        position: head.position + 1,
        previous: head.hash,
        at,
        by,
        events: events as readonly WrittenEvent[],
      },
      signer,
    );
  return {
    ...story,
    stolen,
    head: () => head,
    write: (by, events, at = new Date()) => append(encode(by, by === 'alice' ? story.signer : stolen, events, at)),
    forge: (events) => append(encode('alice', { ...stolen, keyId: story.signer.keyId }, events, new Date())),
    async expel(since) {
      const bus = openBus(story.log, 'test', { trust: story.trust, signer: story.root });
      const { rootSequence } = head;
      const body = { type: 'ManagerExpelled', manager: 'mallory', key: stolen.publicKey, since } as const;
      const known = { ...head, expelled: [{ ...body, position: head.position + 1, sequence: rootSequence + 1 }] };
      const event = signRootEvent(story.root, story.busId, rootSequence + 1, body);
      ({ checkpoint: head } = await bus.append(known, [event], { at: new Date() }));
      return head.position;
    },
  };
}

const hash = sha256(Buffer.from('x'));
const bytes = Buffer.from('stolen').toString('base64');
const FAR = '2026-11-30T00:00:00.000Z';

/** One event of every type that a manager can write, about a certificate, and some that none should. */
export function mischief(certificateId: string, names: readonly string[], leafHash: string): readonly object[] {
  const soon = new Date(Date.now() + 60_000).toISOString();
  const account = { directory: 'https://evil.test/dir', accountUrl: 'https://evil.test/1', thumbprint: hash };
  const issuance = { issuanceId: 'evilissuance', certificateId, holder: 'mallory' };
  const claim = { reason: 'renewal', challengeType: 'dns-01', directory: 'https://ca.test/dir', until: soon };
  const keys = { csr: bytes, sealedKey: bytes, recipientsPosition: 1 };
  return [
    { type: 'ConfigUpdated', sealed: bytes },
    { type: 'AccountRegistered', ...account, sealedKey: bytes },
    { type: 'AccountKeyRollOverStarted', directory: 'https://evil.test/next', thumbprint: hash, sealedKey: bytes },
    { type: 'AccountKeyRolledOver', ...account, sealedKey: bytes },
    { type: 'AccountDeactivated', directory: 'https://ca.test/dir', accountUrl: 'https://ca.test/1', thumbprint: hash },
    {
      type: 'ChallengePresented',
      issuanceId: 'evilissuance',
      challengeType: 'tls-alpn-01',
      identifier: 'victim.test',
      token: 'token',
      thumbprint: hash,
      expiresAt: soon,
    },
    { type: 'IssuerAdded', hash: sha256(Buffer.from(bytes, 'base64')), certificate: bytes },
    { type: 'IssuerAdded', hash, certificate: bytes },
    { type: 'RangeArchived', first: 1, last: 1, hash, manifest: hash, place: 'nowhere' },
    { type: 'SnapshotTaken', position: 1, hash, manifest: hash, place: 'nowhere' },
    { type: 'Heartbeat' },
    { type: 'IssuanceStarted', ...issuance, ...claim, names, ...keys },
    { type: 'OrderCreated', ...issuance, orderUrl: 'https://evil.test/order' },
    { type: 'IssuanceTakenOver', ...issuance, issuanceId: 'issuance0001', until: soon },
    { type: 'CsrReplaced', issuanceId: 'issuance0001', certificateId, ...keys },
    { type: 'IssuanceReleased', ...issuance, issuanceId: 'issuance0001' },
    {
      type: 'IssuanceFailed',
      issuanceId: 'evilissuance',
      certificateId,
      problem: 'x',
      class: 'permanent-name',
      detail: '',
      attempt: 1,
      notBefore: '9999-12-31T23:59:59.000Z',
      directory: 'https://ca.test/dir',
    },
    obtained(certificateId, names, `evil ${certificateId} ${Math.random()}`),
    obtained(`new-${certificateId}`, [...names, `new.${certificateId}.test`], `evil new ${certificateId}`),
    { ...obtained(certificateId, names, `evil imported ${certificateId}`), type: 'CertificateImported' },
    { type: 'PrivateKeyResealed', certificateId, leafHash, sealedKey: bytes },
    { type: 'RenewalInfoUpdated', certificateId, leafHash, windowStart: FAR, windowEnd: FAR, renewAt: FAR },
    { type: 'CertificateRevoked', certificateId, leafHash, reason: 1 },
    { type: 'CertificateRemoved', certificateId },
    { type: 'AlertRaisedByALaterRelease', key: 'x' },
    { type: 'CertificateRemoved', certificateId: 7 },
    { ...obtained(certificateId, names), leaf: 'not base64!' },
  ];
}

/** Everything that a replica says, for comparing. */
export const contentOf = (replica: Replica) => ({
  checkpoint: replica.checkpoint(),
  bus: replica.bus(),
  rootEvents: replica.rootEvents(),
  records: [...replica.records()].sort((one, other) => keyOf(one).localeCompare(keyOf(other))),
  served: replica.countServed(),
});

const keyOf = (record: object): string => JSON.stringify(record).slice(0, 80);

/** The names that a replica has a certificate for. */
export function servedBy(replica: Replica, names: Iterable<string>): string[] {
  return [...names].filter((name) => replica.lookup(name).some(({ current }) => current !== undefined)).sort();
}

/** All certificates of a bus as `evolve` makes them of it, read from the start with what is known at its head. */
export async function foldAll(bus: Bus, { expelled }: Checkpoint) {
  const certificates = new Map<string, ReturnType<typeof evolve>>();
  for (let from: Checkpoint = { ...BEGINNING, expelled }; ; ) {
    const { commits, checkpoint, end, refused } = await bus.read(from, { consistent: true, limit: 7 });
    if (refused && commits.length === 0) throw refused;
    for (const { events, at, position, keyId } of commits)
      for (const { event, distrusted } of events) {
        if (!event || !('certificateId' in event)) continue;
        const { certificateId } = event;
        certificates.set(
          certificateId,
          evolve(certificates.get(certificateId), event, { at, position, keyId, distrusted }),
        );
      }
    from = checkpoint;
    if (end && !refused) return certificates;
  }
}

/** What alice does: she issues and renews. */
export const honestWork = (n: number): readonly object[] => [
  obtained(`certificate${n}`, [`n${n}.test`, `www.n${n}.test`], `leaf ${n} ${Math.random()}`),
];
