/** Repairs a damaged log from an export of its bus. */
import { EventsError, type Trust } from '@certbus/events';
import {
  type Checkpoint,
  type Commit,
  decodeCommit,
  type HistoryError,
  isSignedByRoot,
  verifyCommits,
} from '@certbus/events/history';
import { StoreError } from '../errors.ts';
import type { Log, LogEntry, LogMaintenance, StoredCommit } from '../log.ts';
import { type BackupOptions, verifyExport } from './backup.ts';
import { type ExportFile, exportRefused } from './export-port.ts';

export interface RepairOptions extends BackupOptions {
  readonly stream: string;
  readonly trust: Trust;
  /** Remove what is wrong behind the export, of which there is no good copy. Default false: reject and leave it. */
  readonly dropTail?: boolean;
  /** Only find out. Default false. */
  readonly dryRun?: boolean;
}

/** What a repair did, or with `dryRun` would do. */
export interface Repaired {
  /** Positions that hold the export's bytes again. */
  readonly replaced: readonly number[];
  /** Positions that were removed. */
  readonly dropped: readonly number[];
  /** Entries at no position, which no append ever wrote, that were removed. */
  readonly strays: number;
  /** Where the stream begins, if the store had it elsewhere; `undefined` where it was right. */
  readonly first: number | undefined;
  /** Where the good history ends. */
  readonly checkpoint: Checkpoint;
}

/** How many positions behind the good history are looked at together when they are removed. */
const STEP = 150;

function maintenanceOf({ maintenance }: Log): LogMaintenance {
  if (maintenance) return maintenance;
  throw new StoreError(
    'CERTBUS_STORE_UNSUPPORTED',
    'This store cannot be repaired in place. Import the export into a new one.',
  );
}

/** A good history up to a place. */
interface Proved {
  readonly checkpoint: Checkpoint;
  /** The last position that is in the archive by its events; 0 for none. */
  readonly archived: number;
  /** Why what is behind {@link checkpoint} is not good, where something is there. */
  readonly refused?: HistoryError | undefined;
}

/** How far the archive goes by the events of commits. */
function archivedBy(commits: readonly Commit[], before: number): number {
  const ranges = commits.flatMap(({ events }) =>
    events.flatMap(({ event }) => (event?.type === 'RangeArchived' ? [event.last] : [])),
  );
  return Math.max(before, ...ranges);
}

/** Verifies an export to its end. */
async function proveExport(file: ExportFile, trust: Trust, options: BackupOptions): Promise<Proved> {
  const blocks = verifyExport(file, trust, options);
  for (let archived = 0; ; ) {
    const { done, value } = await blocks.next();
    if (done) return { checkpoint: value, archived };
    // Few of them are about the archive: only those are read once more.
    const relevant = value.filter(({ bytes }) => Buffer.from(bytes).includes('RangeArchived'));
    archived = archivedBy(
      relevant.map(({ bytes }) => decodeCommit(bytes)),
      archived,
    );
  }
}

/** How far the log's own commits go on from what the export proves. */
async function proveTail(
  maintenance: LogMaintenance,
  { checkpoint: end, archived: before }: Proved,
  { stream, trust, signal }: RepairOptions,
): Promise<Proved> {
  let checkpoint = end;
  let archived = before;
  for await (const entries of maintenance.inspect(stream, end.position, only(signal))) {
    const commits = entries.filter(isCommit);
    const verified = verifyCommits(trust, checkpoint, commits, { everySignature: true });
    ({ checkpoint } = verified);
    archived = archivedBy(verified.commits, archived);
    if (verified.refused) return { checkpoint, archived, refused: verified.refused };
  }
  return { checkpoint, archived };
}

/** Sequence of the `BusRestored` that the root signed for the position of a commit; 0 where there is none. */
function restoreIn(trust: Trust, { position, bytes }: StoredCommit): number {
  if (!Buffer.from(bytes).includes('BusRestored')) return 0;
  try {
    const restored = decodeCommit(bytes).events.find(
      ({ event, root }) =>
        event?.type === 'BusRestored' && event.position === position - 1 && root && isSignedByRoot(trust, root),
    );
    return restored?.root?.rootSequence ?? 0;
  } catch (error) {
    if (error instanceof EventsError) return 0;
    throw error;
  }
}

/** Where a stream begins: the store's word, unless that is not a position or is beyond what is in the archive by the bus's events. */
function beginningOf(stated: number, archived: number): number {
  return Number.isSafeInteger(stated) && stated > 0 ? Math.min(stated, archived + 1) : 1;
}

/** Rejects where the root has left the export's line since, by a `BusRestored` that is not in the export. */
async function refuseOtherLine(
  maintenance: LogMaintenance,
  { position: last, rootSequence }: Checkpoint,
  { stream, trust, signal }: RepairOptions,
): Promise<void> {
  for await (const entries of maintenance.inspect(stream, 0, only(signal))) {
    const restore = entries
      .filter(isCommit)
      .find((commit) => commit.position <= last && restoreIn(trust, commit) > rootSequence);
    if (!restore) continue;
    throw exportRefused(
      `it is older than the restore that the root announced at position ${restore.position}, and would undo it. Use an export that was started since`,
    );
  }
}

const isCommit = (entry: LogEntry): entry is StoredCommit => 'position' in entry && entry.bytes !== undefined;

/** Without `signal: undefined`, which `exactOptionalPropertyTypes` refuses. */
const only = (signal: AbortSignal | undefined): { signal?: AbortSignal } => (signal ? { signal } : {});

/** A repair that is under way. */
interface Repair {
  readonly maintenance: LogMaintenance;
  readonly options: RepairOptions;
  /** What the export proves. */
  readonly exported: Proved;
  /** What the export and the log's own commits behind it prove. */
  readonly proved: Proved;
}

/** Takes the strays away and counts them. */
async function removeStrays({ maintenance, options }: Repair): Promise<number> {
  const { stream, dryRun = false, signal } = options;
  let count = 0;
  if (!maintenance.removeStray) return count;
  for await (const entries of maintenance.inspect(stream, 0, only(signal))) {
    for (const entry of entries) {
      if (!('stray' in entry)) continue;
      count += 1;
      if (!dryRun) await maintenance.removeStray(stream, entry.stray, only(signal));
    }
  }
  return count;
}

/** The commits behind `after`, up to `last`, by position. */
async function commitsUpTo(
  { maintenance, options }: Repair,
  after: number,
  last: number,
): Promise<Map<number, Uint8Array>> {
  const { stream, signal } = options;
  const there = new Map<number, Uint8Array>();
  for await (const entries of maintenance.inspect(stream, after, only(signal))) {
    for (const entry of entries) if (isCommit(entry) && entry.position <= last) there.set(entry.position, entry.bytes);
    if (entries.some((entry) => 'position' in entry && entry.position >= last)) break;
  }
  return there;
}

/** Puts the commits of a block in their places, and returns the positions that held something else. */
async function repairBlock(repair: Repair, block: readonly StoredCommit[]): Promise<number[]> {
  const { maintenance, options } = repair;
  const { stream, dryRun = false, signal } = options;
  const replaced: number[] = [];
  const [first] = block;
  const last = block.at(-1);
  if (!first || !last) return replaced;
  const there = await commitsUpTo(repair, first.position - 1, last.position);
  for (const { position, bytes } of block) {
    const found = there.get(position);
    if (found && Buffer.compare(found, bytes) === 0) continue;
    if (!dryRun) await maintenance.replace(stream, position, { found, bytes, ...only(signal) });
    replaced.push(position);
  }
  return replaced;
}

/** Every position behind the good history at which something is, whatever it is. */
async function findBad({ maintenance, options, proved }: Repair): Promise<number[]> {
  const { stream, signal } = options;
  const bad: number[] = [];
  for await (const entries of maintenance.inspect(stream, proved.checkpoint.position, only(signal)))
    for (const entry of entries) if ('position' in entry) bad.push(entry.position);
  return bad;
}

/** Removes what is behind the good history, and returns its positions. */
async function dropBad(repair: Repair): Promise<readonly number[]> {
  const { maintenance, options, exported, proved } = repair;
  const { stream, dropTail = false, dryRun = false, signal } = options;
  const bad = await findBad(repair);
  if (bad.length > 0 && !dropTail && !dryRun) {
    const why = `it ends at position ${exported.checkpoint.position}, and what is wrong begins at ${proved.checkpoint.position + 1}: ${proved.refused?.message ?? 'a gap'} Look for a newer export; without one, --drop-tail removes ${bad.length === 1 ? '1 commit' : `${bad.length} commits`}, and "certbus bus restored" then announces it to the followers`;
    throw exportRefused(why, proved.refused);
  }
  if (dryRun) return bad;
  // From the end, so that an interruption leaves no hole; step by step, since anyone who wrote it may have written much.
  for (let rest = bad.length; rest > 0; rest -= STEP) {
    const step = bad.slice(Math.max(0, rest - STEP), rest);
    const there = await commitsUpTo(repair, (step[0] ?? 1) - 1, step.at(-1) ?? 0);
    for (const position of step.toReversed())
      await maintenance.replace(stream, position, { found: there.get(position), bytes: undefined, ...only(signal) });
  }
  return bad;
}

/** Finds what is good: the export, and what follows it in the log. */
async function beginRepair(file: ExportFile, log: Log, options: RepairOptions): Promise<Repair> {
  const { trust, signal } = options;
  const maintenance = maintenanceOf(log);
  const exported = await proveExport(file, trust, { signal });
  if (exported.checkpoint.position === 0) throw exportRefused('it is empty');
  await refuseOtherLine(maintenance, exported.checkpoint, options);
  return { maintenance, options, exported, proved: await proveTail(maintenance, exported, options) };
}

/**
 * Puts the export's commits in the place of what differs from them, each only where exactly the wrong bytes that were read are
 * still there. Behind the export's end the log's own commits stay as far as they are good.
 *
 * Writes with the operator's credentials; nobody else may replace. Rejects `CERTBUS_STORE_EXPORT_REFUSED` when the export is
 * empty, damaged, of a line that the root has left by a `BusRestored` since, or ends before what is wrong and `dropTail` is not
 * set, and `VersionConflictError` when somebody else writes there at the same time: run it again.
 */
export async function repair(file: ExportFile, log: Log, options: RepairOptions): Promise<Repaired> {
  const { stream, dryRun = false, signal, onProgress } = options;
  const begun = await beginRepair(file, log, options);
  const { maintenance, proved } = begun;
  // What was trimmed is in the archive. Where else commits seem to be trimmed, somebody who can write to the store removed them.
  const first = beginningOf(await maintenance.first(stream, only(signal)), proved.archived);
  const strays = await removeStrays(begun);
  const replaced: number[] = [];
  for await (const block of file.blocks()) {
    const kept = block.filter(({ position }) => position >= first);
    replaced.push(...(await repairBlock(begun, kept)));
    onProgress?.(block.at(-1)?.position ?? 0);
  }
  // Once all from there on is in its place again, and before what may end this: the tail, of which there is no good copy.
  const isWrong = await maintenance.correctFirst(stream, first, { dryRun, ...only(signal) });
  const dropped = await dropBad(begun);
  return { replaced, dropped, strays, first: isWrong ? first : undefined, checkpoint: proved.checkpoint };
}
