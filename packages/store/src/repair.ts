import { type Checkpoint, type HistoryError, type Trust, verifyCommits } from '@certbus/events';
import { type BackupOptions, verifyExport } from './backup.ts';
import { StoreError, TrimmedError } from './errors.ts';
import { type ExportFile, exportRefused } from './export-port.ts';
import type { Log, LogMaintenance, StoredCommit } from './log.ts';

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
  /** Where the good history ends. */
  readonly checkpoint: Checkpoint;
}

const PAGE = 150;

function maintenanceOf({ maintenance }: Log): LogMaintenance {
  if (maintenance) return maintenance;
  throw new StoreError('CERTBUS_STORE_UNSUPPORTED', 'This store cannot be repaired in place. Import the export anew.');
}

/** The first position that was not trimmed: what came before needs no repair. */
async function firstKept(log: Log, stream: string): Promise<number> {
  try {
    await log.read(stream, 0, { limit: 1, consistent: true });
    return 1;
  } catch (error) {
    if (error instanceof TrimmedError) return error.first;
    throw error;
  }
}

/** Everything behind a position up to another, as it lies there, holes and all. */
async function readRaw(
  log: Log,
  stream: string,
  { after, last, signal }: { readonly after: number; readonly last: number; readonly signal: AbortSignal | undefined },
): Promise<StoredCommit[]> {
  const found: StoredCommit[] = [];
  for (let reached = after; reached < last; ) {
    const page = await log.read(stream, reached, { limit: PAGE, consistent: true, ...(signal ? { signal } : {}) });
    found.push(...page.commits.filter(({ position }) => position <= last));
    reached = page.end ? last : (page.commits.at(-1)?.position ?? last);
  }
  return found;
}

/**
 * Puts the export's commits in the place of what differs from them, each only where exactly the wrong bytes that were read still
 * lie. Behind the export's end the log's own commits stay as far as they are good.
 *
 * Writes with the operator's credentials; nobody else may replace. Rejects `CERTBUS_STORE_EXPORT_REFUSED` when the export is
 * damaged, or ends before what is wrong and `dropTail` is not set, and `VersionConflictError` when somebody else writes there
 * at the same time: run it again.
 */
export async function repair(file: ExportFile, log: Log, options: RepairOptions): Promise<Repaired> {
  const { stream, trust, dropTail = false, dryRun = false, signal, onProgress } = options;
  const maintenance = maintenanceOf(log);
  const first = await firstKept(log, stream);
  const replaced: number[] = [];
  const blocks = verifyExport(file, trust, { signal, onProgress });
  for (;;) {
    const { done, value } = await blocks.next();
    if (done) {
      const tail = await repairTail(value);
      return { replaced, ...tail };
    }
    await repairBlock(value.filter(({ position }) => position >= first));
  }

  async function repairBlock(block: readonly StoredCommit[]): Promise<void> {
    const last = block.at(-1)?.position;
    const after = (block[0]?.position ?? 0) - 1;
    if (last === undefined) return;
    const raw = await readRaw(log, stream, { after, last, signal });
    const there = new Map(raw.map(({ position, bytes }) => [position, bytes]));
    for (const { position, bytes } of block) {
      const found = there.get(position);
      if (found && Buffer.compare(found, bytes) === 0) continue;
      if (!dryRun) await maintenance.replace(stream, position, { found, bytes, ...(signal ? { signal } : {}) });
      replaced.push(position);
    }
  }

  async function repairTail(end: Checkpoint): Promise<Pick<Repaired, 'dropped' | 'checkpoint'>> {
    let checkpoint = end;
    let refused: HistoryError | undefined;
    const last = Number.POSITIVE_INFINITY;
    const raw = await readRaw(log, stream, { after: checkpoint.position, last, signal });
    ({ checkpoint, refused } = verifyCommits(trust, checkpoint, raw, { everySignature: true }));
    const bad = raw.filter(({ position }) => position > checkpoint.position);
    if (bad.length > 0 && !dropTail && !dryRun) {
      const why = `it ends at position ${end.position}, and what is wrong begins at ${checkpoint.position + 1}: ${refused?.message ?? 'a gap'} Look for a newer export; without one, --drop-tail removes ${bad.length} commits, and "certbus bus restored" tells the followers`;
      throw exportRefused(why, refused);
    }
    // From the end, so that an interruption leaves no hole.
    for (const { position, bytes } of bad.toReversed())
      if (!dryRun)
        await maintenance.replace(stream, position, { found: bytes, bytes: undefined, ...(signal ? { signal } : {}) });
    return { dropped: bad.map(({ position }) => position), checkpoint };
  }
}
