/** Archives ranges of commits, trims the store, and takes snapshots. */
import type { Trust } from '@certbus/events';
import {
  BEGINNING,
  type Checkpoint,
  checkpointOf,
  decodeCommit,
  isCommitSignedBy,
  type PlacedRootEvent,
  verifyCommits,
} from '@certbus/events/history';
import {
  type ArchivePlace,
  archiveRange,
  type Bus,
  createArchiveReader,
  type Log,
  publishSnapshot,
  RANGE_COMMITS,
  type StoredCommit,
  StoreError,
  type TakenSnapshot,
  TrimmedError,
  writeSnapshot,
} from '@certbus/store';
import { type Context, decide } from '../context.ts';
import { archived, snapshotTaken } from '../decide/upkeep.ts';
import { ManagerError } from '../errors.ts';

/** What an upkeep of the bus needs. */
export interface UpkeepOptions {
  /** Where archives and snapshots are. */
  readonly place: ArchivePlace;
  readonly signal?: AbortSignal | undefined;
  /** Called with the position that was reached. */
  readonly onProgress?: ((position: number) => void) | undefined;
}

/** What trimming needs. */
export interface TrimOptions extends UpkeepOptions {
  /** The log that holds the bus. */
  readonly log: Log;
  /** How many of the newest commits stay in any case; default 10,000. */
  readonly keep?: number;
}

const PAGE = 150;

/** What is in force behind a commit that this bus is known to have had. */
function checkpointAt(
  { bus: { trust }, view: { replica } }: Context,
  at: { readonly position: number; readonly hash: string } | undefined,
): Checkpoint {
  return at ? checkpointOf(trust, at, replica.rootEvents()) : BEGINNING;
}

/** The proved commits behind a checkpoint up to a position, page by page. */
async function* readProved(
  bus: Bus,
  from: Checkpoint,
  last: number,
  signal: AbortSignal | undefined,
): AsyncIterable<readonly StoredCommit[]> {
  for (let checkpoint = from; checkpoint.position < last; ) {
    const limit = Math.min(PAGE, last - checkpoint.position);
    const page = await bus.read(checkpoint, { consistent: true, limit, signal });
    if (page.refused) throw page.refused;
    yield page.stored;
    ({ checkpoint } = page);
  }
}

/** Archives every range that is complete and was not archived; returns how many commits those are. */
export async function archiveRanges(
  context: Context,
  { place, signal, onProgress }: UpkeepOptions,
): Promise<{ commits: number }> {
  const { bus, view } = context;
  let commits = 0;
  for (;;) {
    const from = checkpointAt(context, view.state.bus.archived);
    const last = from.position + RANGE_COMMITS;
    if (last > view.checkpoint.position) return { commits };
    const pages = readProved(bus, from, last, signal);
    const range = await archiveRange(place, bus.trust.busId, pages, { signal });
    const isNew = await decide(context, (state) => archived(state, range), { signal });
    if (isNew) commits += RANGE_COMMITS;
    onProgress?.(last);
  }
}

/** The first position that the store still has. */
async function firstKept(log: Log, stream: string): Promise<number> {
  try {
    await log.read(stream, 0, { limit: 1, consistent: true });
    return 1;
  } catch (error) {
    if (error instanceof TrimmedError) return error.first;
    throw error;
  }
}

function refuseArchive(position: number, why: string, cause?: unknown): StoreError {
  const what = `The archive after position ${position} cannot be used: ${why} Nothing was trimmed.`;
  return new StoreError('CERTBUS_STORE_ARCHIVE_REFUSED', what, { cause });
}

/** Where the history stands before a commit of the archive, which is parsed only where a key in force there signed it. */
function enterBefore(
  trust: Trust,
  { position, bytes }: StoredCommit,
  rootEvents: readonly PlacedRootEvent[],
): Checkpoint {
  const after = position - 1;
  if (after === 0) return BEGINNING;
  // The hash is not known yet: the commit itself has it.
  const inForce = checkpointOf(trust, { position: after, hash: '' }, rootEvents);
  const signers = [trust.rootKey, ...inForce.managers.map(({ signingKey }) => signingKey)];
  if (!signers.some((key) => isCommitSignedBy(key, bytes)))
    throw refuseArchive(after, 'no manager in force signed its first commit.');
  return { ...inForce, hash: decodeCommit(bytes).previous };
}

/**
 * Reads back from the archive what is about to be removed from the store, which cannot be asked again. That the chain of hashes ends in the
 * one which is on the bus proves all of it, wherever it is entered.
 */
async function proveArchived(
  { bus: { trust } }: Context,
  {
    place,
    rootEvents,
    first,
    end,
    signal,
  }: {
    readonly place: ArchivePlace;
    readonly rootEvents: readonly PlacedRootEvent[];
    readonly first: number;
    readonly end: { readonly position: number; readonly hash: string };
    readonly signal: AbortSignal | undefined;
  },
): Promise<void> {
  const reader = createArchiveReader(place, trust.busId);
  let checkpoint: Checkpoint | undefined;
  while (checkpoint === undefined || checkpoint.position < end.position) {
    const after: number = checkpoint?.position ?? first - 1;
    const page = await reader.read(after, RANGE_COMMITS, { signal });
    if (!page?.[0]) throw refuseArchive(after, 'it is not there.');
    checkpoint ??= enterBefore(trust, page[0], rootEvents);
    const verified = verifyCommits(trust, checkpoint, page);
    if (verified.refused) throw refuseArchive(after, verified.refused.message, verified.refused);
    ({ checkpoint } = verified);
  }
  if (checkpoint.position !== end.position || checkpoint.hash !== end.hash)
    throw refuseArchive(end.position, 'it is not what the bus recorded as archived.');
}

/**
 * Removes from the store the commits that are in the archive, after proving that they are; returns the first position that stays. Needs an
 * operator's credentials. Rejects `CERTBUS_STORE_UNSUPPORTED`, `CERTBUS_STORE_ARCHIVE_REFUSED`.
 */
export async function trim(
  context: Context,
  { place, log, keep = RANGE_COMMITS, signal }: TrimOptions,
): Promise<{ first: number }> {
  const { bus, view } = context;
  const { archived: end } = view.state.bus;
  const { maintenance } = log;
  if (!maintenance) throw new StoreError('CERTBUS_STORE_UNSUPPORTED', 'This store keeps every commit.');
  const first = await firstKept(log, bus.stream);
  const last = Math.min(end?.position ?? 0, view.checkpoint.position - Math.max(1, keep));
  if (!end || last < first) return { first };
  await proveArchived(context, { place, rootEvents: view.replica.rootEvents(), first, end, signal });
  await maintenance.trim(bus.stream, last + 1, signal ? { signal } : {});
  return { first: last + 1 };
}

/**
 * Puts a snapshot of the state into the archive, records it on the bus, and lets newcomers find it. Rejects
 * `CERTBUS_MANAGER_REPLICA_EMPTY` while another process of this machine holds the replica and has not read anything.
 */
export async function takeSnapshot(context: Context, { place, signal }: UpkeepOptions): Promise<TakenSnapshot> {
  const { bus } = context;
  const { busId } = bus.trust;
  const held = context.view.replica.hold();
  let taken: TakenSnapshot;
  const checkpoint = held.checkpoint();
  try {
    if (checkpoint.position === 0)
      throw new ManagerError(
        'CERTBUS_MANAGER_REPLICA_EMPTY',
        'The replica of this manager is still empty: another process holds it. Try again.',
      );
    const content = { checkpoint, bus: held.bus(), rootEvents: held.rootEvents(), records: held.records() };
    taken = await writeSnapshot(place, busId, content, { signal });
  } finally {
    held.close();
  }
  await decide(context, (state) => snapshotTaken(state, taken), { signal });
  const { restored } = checkpoint;
  await publishSnapshot(place, busId, taken, { restored, head: context.view.checkpoint }, { signal });
  return taken;
}
