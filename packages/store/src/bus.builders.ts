import {
  createBusId,
  createIdentity,
  createManagerKey,
  createRootKey,
  parseIdentityFile,
  parseManagerKey,
  parseRootKey,
  type Signer,
  sha256,
  type Trust,
} from '@certbus/events';
import {
  BEGINNING,
  type Checkpoint,
  type Commit,
  encodeCommit,
  type ReadEvent,
  signRootEvent,
  type WrittenEvent,
} from '@certbus/events/history';
import { openBus } from './bus.ts';
import type { Bus } from './bus-port.ts';
import type { Log, StoredCommit } from './log.ts';
import type { View } from './transact.ts';

export interface Keys {
  readonly trust: Trust;
  readonly root: Signer;
  readonly signer: Signer;
  /** Text of the signer's key file. */
  readonly managerKey: string;
}

export const removed = (n: number | string): WrittenEvent => ({
  type: 'CertificateRemoved',
  certificateId: `certificate-${n}`,
});

/** Draws the keys of a bus. */
export async function createKeys(): Promise<Keys> {
  const root = parseRootKey(createRootKey());
  const managerKey = await createManagerKey();
  const { signer } = parseManagerKey(managerKey);
  return { root, signer, managerKey, trust: { busId: createBusId(), rootKey: root.publicKey } };
}

/** Begins a bus on a log and opens it for its one manager. */
export async function beginBus(log: Log, stream = 'test'): Promise<{ bus: Bus; keys: Keys }> {
  const keys = await createKeys();
  const { root, signer, trust } = keys;
  const { recipient } = await parseIdentityFile(await createIdentity());
  const managers = [{ name: 'alice', signingKey: signer.publicKey, recipient }];
  await openBus(log, stream, { trust, signer: root }).append(
    BEGINNING,
    [
      { type: 'BusCreated', busId: trust.busId, rootKey: trust.rootKey },
      signRootEvent(root, trust.busId, 1, { type: 'ManagersUpdated', managers }),
      signRootEvent(root, trust.busId, 2, { type: 'RecipientsUpdated', recipients: [{ name: 'edge', recipient }] }),
    ],
    { at: new Date() },
  );
  return { bus: openBus(log, stream, { trust, signer }), keys };
}

/** A view that knows nothing but which certificates were removed, in order. */
export function createView(): View<readonly string[]> & { readonly removals: string[] } {
  const removals: string[] = [];
  let checkpoint: Checkpoint = BEGINNING;
  const idsOf = (events: readonly ReadEvent[]) =>
    events.flatMap(({ event }) => (event?.type === 'CertificateRemoved' ? [event.certificateId] : []));
  return {
    removals,
    get checkpoint() {
      return checkpoint;
    },
    apply(commits: readonly Commit[], reached: Checkpoint) {
      for (const { events } of commits) removals.push(...idsOf(events));
      checkpoint = reached;
    },
    async rebuild() {
      throw new TypeError('no manager is expelled here');
    },
    draft() {
      const state = [...removals];
      return { state, apply: (events) => void state.push(...idsOf(events)) };
    },
  };
}

/** Writes commits straight into a log, faster than through a view; returns the checkpoint behind each, from position 1 on. */
export async function writeCommits(
  log: Log,
  { keys, stream = 'test', count }: { readonly keys: Keys; readonly stream?: string; readonly count: number },
): Promise<Checkpoint[]> {
  const bus = openBus(log, stream, keys);
  const first = await bus.read(BEGINNING, { consistent: true });
  const checkpoints = [first.checkpoint];
  for (let n = 1; n <= count; n += 1) {
    const from = checkpoints.at(-1) as Checkpoint;
    const content = { format: 1, bus: keys.trust.busId, position: from.position + 1, previous: from.hash };
    const bytes = encodeCommit({ ...content, at: new Date(), by: 'alice', events: [removed(n)] }, keys.signer);
    await log.append(stream, from.position, bytes);
    checkpoints.push({ ...from, position: from.position + 1, hash: sha256(bytes) });
  }
  return checkpoints;
}

/** Everything that a stream holds, page by page. */
export async function readStream(log: Log, stream = 'test'): Promise<StoredCommit[]> {
  const all: StoredCommit[] = [];
  for (;;) {
    const { commits, end } = await log.read(stream, all.at(-1)?.position ?? 0, { limit: 10_000 });
    for (const commit of commits) all.push(commit);
    if (end) return all;
  }
}

/**
 * Appends a commit in a manager's name whose signature is another key's, and one behind it that the manager signed: only who looks at
 * every signature finds it. Returns its position.
 */
export async function writeForged(
  log: Log,
  { keys, stream = 'test', from }: { readonly keys: Keys; readonly stream?: string; readonly from: Checkpoint },
): Promise<number> {
  const { signer, trust } = keys;
  const stranger = parseManagerKey(await createManagerKey()).signer;
  const append = async (position: number, previous: string | null, as: Signer): Promise<string> => {
    const content = { format: 1, bus: trust.busId, position, previous, at: new Date(), by: 'alice' };
    const bytes = encodeCommit({ ...content, events: [removed(position)] }, as);
    await log.append(stream, position - 1, bytes);
    return sha256(bytes);
  };
  const position = from.position + 1;
  const forged = await append(position, from.hash, { ...signer, sign: (message) => stranger.sign(message) });
  await append(position + 1, forged, signer);
  return position;
}

/** Everything that a bus holds, verified; rejects with what is refused. */
export async function readPositions(bus: Bus): Promise<number[]> {
  const positions: number[] = [];
  for (let checkpoint = BEGINNING; ; ) {
    const page = await bus.read(checkpoint, { consistent: true });
    if (page.refused) throw page.refused;
    positions.push(...page.commits.map(({ position }) => position));
    ({ checkpoint } = page);
    if (page.end) return positions;
  }
}

/** A commit whose signature is written otherwise and decodes to the same bytes: the last character holds four bits too many. */
export function withOtherEncoding(commit: Uint8Array): Uint8Array {
  const text = Buffer.from(commit).toString('latin1');
  const last = text.at(-2) ?? '';
  // `A` and `B`, `Q` and `R`, `g` and `h`, `w` and `x` decode alike there.
  return Buffer.from(`${text.slice(0, -2)}${String.fromCharCode(last.charCodeAt(0) + 1)}\n`, 'latin1');
}
