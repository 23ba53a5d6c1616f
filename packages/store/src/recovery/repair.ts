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
  /** Remove what is wrong behind the export, of which there is no good copy. Default false: say so and leave it. */
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
  /** Where the stream begins, if the store said that it begins elsewhere; `undefined` where it was right. */
  readonly first: number | undefined;
  /** Where the good history ends. */
  readonly checkpoint: Checkpoint;
}

/** How many positions behind the good history are looked at together when they are removed. */
const STEP = 150;

function maintenanceOf({ maintenance }: Log): LogMaintenance {
  if (maintenance) return maintenance;
  throw new StoreError('CERTBUS_STORE_UNSUPPORTED', 'This store cannot be repaired in place. Import the export anew.');
}

/** A good history up to a place. */
interface Proved {
  readonly checkpoint: Checkpoint;
  /** The last position that it says is in the archive; 0 for none. */
  readonly archived: number;
  /** Why what lies behind {@link checkpoint} is not good, where something does. */
  readonly refused?: HistoryError | undefined;
}

/** How far commits say that the archive goes. */
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
    // Few of them speak of the archive: only those are read once more.
    const speaking = value.filter(({ bytes }) => Buffer.from(bytes).includes('RangeArchived'));
    archived = archivedBy(
      speaking.map(({ bytes }) => decodeCommit(bytes)),
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

/** Sequence of the `BusRestored` that the root said in a commit, at this position; 0 where it said none. */
function restoreSaidIn(trust: Trust, { position, bytes }: StoredCommit): number {
  if (!Buffer.from(bytes).includes('BusRestored')) return 0;
  try {
    const said = decodeCommit(bytes).events.find(
      ({ event, root }) =>
        event?.type === 'BusRestored' && event.position === position - 1 && root && isSignedByRoot(trust, root),
    );
    return said?.root?.rootSequence ?? 0;
  } catch (error) {
    if (error instanceof EventsError) return 0;
    throw error;
  }
}

/** Where a stream begins: where the store says, unless that is no position or behind what the bus says is in the archive. */
function beginningOf(said: number, archived: number): number {
  return Number.isSafeInteger(said) && said > 0 ? Math.min(said, archived + 1) : 1;
}

/** Rejects where the root has left the export's line since, by a `BusRestored` that the export has not heard of. */
async function refuseOtherLine(
  maintenance: LogMaintenance,
  { position: last, rootSequence }: Checkpoint,
  { stream, trust, signal }: RepairOptions,
): Promise<void> {
  for await (const entries of maintenance.inspect(stream, 0, only(signal))) {
    const restore = entries
      .filter(isCommit)
      .find((commit) => commit.position <= last && restoreSaidIn(trust, commit) > rootSequence);
    if (!restore) continue;
    throw exportRefused(
      `it is older than the restore that the root announced at position ${restore.position}, and would undo it. Use an export that was begun since`,
    );
  }
}

const isCommit = (entry: LogEntry): entry is StoredCommit => 'position' in entry && entry.bytes !== undefined;

/** Without `signal: undefined`, which `exactOptionalPropertyTypes` refuses. */
const only = (signal: AbortSignal | undefined): { signal?: AbortSignal } => (signal ? { signal } : {});

/**
 * Puts the export's commits in the place of what differs from them, each only where exactly the wrong bytes that were read still
 * lie. Behind the export's end the log's own commits stay as far as they are good.
 *
 * Writes with the operator's credentials; nobody else may replace. Rejects `CERTBUS_STORE_EXPORT_REFUSED` when the export is
 * empty, damaged, of a line that the root has left by a `BusRestored` since, or ends before what is wrong and `dropTail` is not set, and `VersionConflictError` when somebody else writes there
 * at the same time: run it again.
 */
export async function repair(file: ExportFile, log: Log, options: RepairOptions): Promise<Repaired> {
  const { stream, trust, dropTail = false, dryRun = false, signal, onProgress } = options;
  const maintenance = maintenanceOf(log);
  const end = await proveExport(file, trust, { signal });
  if (end.checkpoint.position === 0) throw exportRefused('it is empty');
  await refuseOtherLine(maintenance, end.checkpoint, options);
  const proved = await proveTail(maintenance, end, options);
  // What was let go of is in the archive. What else looks as if it was let go is the work of whoever could write to the store.
  const first = beginningOf(await maintenance.first(stream, only(signal)), proved.archived);
  const strays = await removeStrays();
  const replaced: number[] = [];
  for await (const block of file.blocks()) {
    await repairBlock(block.filter(({ position }) => position >= first));
    onProgress?.(block.at(-1)?.position ?? 0);
  }
  // Once all from there on is in its place again, and before what may end this: the tail, of which there is no good copy.
  const isWrong = await maintenance.correctFirst(stream, first, { dryRun, ...only(signal) });
  const dropped = await dropBad();
  return { replaced, dropped, strays, first: isWrong ? first : undefined, checkpoint: proved.checkpoint };

  async function removeStrays(): Promise<number> {
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

  /** What lies at these positions and between them. */
  async function entriesAt(after: number, last: number): Promise<Map<number, Uint8Array>> {
    const there = new Map<number, Uint8Array>();
    for await (const entries of maintenance.inspect(stream, after, only(signal))) {
      for (const entry of entries)
        if (isCommit(entry) && entry.position <= last) there.set(entry.position, entry.bytes);
      if (entries.some((entry) => 'position' in entry && entry.position >= last)) break;
    }
    return there;
  }

  async function repairBlock(block: readonly StoredCommit[]): Promise<void> {
    const [begin] = block;
    const last = block.at(-1);
    if (!begin || !last) return;
    const there = await entriesAt(begin.position - 1, last.position);
    for (const { position, bytes } of block) {
      const found = there.get(position);
      if (found && Buffer.compare(found, bytes) === 0) continue;
      if (!dryRun) await maintenance.replace(stream, position, { found, bytes, ...only(signal) });
      replaced.push(position);
    }
  }

  /** Where something lies behind the good history, whatever it is. */
  async function findBad(): Promise<number[]> {
    const bad: number[] = [];
    for await (const entries of maintenance.inspect(stream, proved.checkpoint.position, only(signal)))
      for (const entry of entries) if ('position' in entry) bad.push(entry.position);
    return bad;
  }

  async function dropBad(): Promise<readonly number[]> {
    const bad = await findBad();
    if (bad.length > 0 && !dropTail && !dryRun) {
      const why = `it ends at position ${end.checkpoint.position}, and what is wrong begins at ${proved.checkpoint.position + 1}: ${proved.refused?.message ?? 'a gap'} Look for a newer export; without one, --drop-tail removes ${bad.length} commits, and "certbus bus restored" tells the followers`;
      throw exportRefused(why, proved.refused);
    }
    if (dryRun) return bad;
    // From the end, so that an interruption leaves no hole; step by step, since whoever wrote it may have written much.
    for (let rest = bad.length; rest > 0; rest -= STEP) {
      const step = bad.slice(Math.max(0, rest - STEP), rest);
      const there = await entriesAt((step[0] ?? 1) - 1, step.at(-1) ?? 0);
      for (const position of step.toReversed())
        await maintenance.replace(stream, position, { found: there.get(position), bytes: undefined, ...only(signal) });
    }
    return bad;
  }
}
