/** Exports a bus into one file, and imports it. */
import type { Trust } from '@certbus/events';
import {
  BEGINNING,
  belowFloor,
  type Checkpoint,
  contradictionOfFloor,
  HistoryError,
  isBelowFloor,
  verifyCommits,
} from '@certbus/events/history';
import { beginBlock } from '../archive/commit-blocks.ts';
import type { Bus } from '../bus-port.ts';
import type { Log, StoredCommit } from '../log.ts';
import { type ExportFile, exportRefused } from './export-port.ts';

export interface BackupOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the position that was reached. */
  readonly onProgress?: ((position: number) => void) | undefined;
}

/**
 * Verifies an export, every signature, and hands its commits on, block by block; returns where it ends, which can be below the floor of the
 * trust. Rejects `CERTBUS_STORE_EXPORT_REFUSED` with the position of what is wrong, and where it has another commit at the floor.
 */
export async function* verifyExport(
  file: ExportFile,
  trust: Trust,
  { signal, onProgress }: BackupOptions = {},
): AsyncGenerator<readonly StoredCommit[], Checkpoint> {
  let checkpoint = BEGINNING;
  let contradiction: HistoryError | undefined;
  for await (const block of file.blocks()) {
    signal?.throwIfAborted();
    const verified = verifyCommits(trust, checkpoint, block, { everySignature: true });
    if (verified.refused) throw exportRefused(verified.refused.message, verified.refused);
    contradiction ??= contradictionOfFloor(trust, checkpoint, verified);
    ({ checkpoint } = verified);
    onProgress?.(checkpoint.position);
    yield block;
  }
  if (contradiction && !isRestoredSince(trust, checkpoint))
    throw exportRefused(`${contradiction.message} Use an export that was started since`, contradiction);
  return checkpoint;
}

/** Whether the root restored the line of an export after the floor was written, so that the floor counts no more. */
const isRestoredSince = ({ floor }: Trust, { restored }: Checkpoint): boolean =>
  floor === undefined || restored > floor.rootSequence;

/** Reads an export to its end, for the sake of its checkpoint. */
async function checkpointOfExport(file: ExportFile, trust: Trust, options: BackupOptions): Promise<Checkpoint> {
  const blocks = verifyExport(file, trust, options);
  for (;;) {
    const { done, value } = await blocks.next();
    if (done) return value;
  }
}

/**
 * Adds to an export what the bus has beyond it, every signature verified, and returns where it ends. An interrupted or an older
 * export is continued where it stopped. Rejects `CERTBUS_STORE_EXPORT_REFUSED`, a `HistoryError` where the bus is refused or goes
 * another way than the export, and a `StoreError`.
 */
export async function exportBus(bus: Bus, file: ExportFile, options: BackupOptions = {}): Promise<Checkpoint> {
  const { signal, onProgress } = options;
  let checkpoint = await checkpointOfExport(file, bus.trust, { signal });
  await bus.confirm(checkpoint, { signal }).catch((error: unknown) => {
    if (!(error instanceof HistoryError)) throw error;
    const why = 'the export has it, and the bus does not; if you announced that the bus was restored, begin a new file';
    throw new HistoryError(error.code, error.position, why, { cause: error });
  });
  const gathered = beginBlock();
  const flush = async () => {
    await file.append(gathered.take());
    onProgress?.(checkpoint.position);
  };
  for (;;) {
    const page = await bus.read(checkpoint, { consistent: true, everySignature: true, signal });
    ({ checkpoint } = page);
    for (const commit of page.stored) if (gathered.add(commit)) await flush();
    if (page.end || page.refused) await flush();
    if (page.refused) throw page.refused;
    if (page.end) return checkpoint;
  }
}

/** How far a stream holds exactly what an export holds. Rejects `CERTBUS_STORE_EXPORT_REFUSED` where it holds anything else. */
async function writtenAlready(
  log: Log,
  stream: string,
  block: readonly StoredCommit[],
  signal: AbortSignal | undefined,
): Promise<number> {
  const [first] = block;
  if (!first) return 0;
  const options = { limit: block.length, consistent: true, ...(signal ? { signal } : {}) };
  for (let have = 0; ; ) {
    const { commits, end } = await log.read(stream, first.position - 1 + have, options);
    for (const { position, bytes } of commits) {
      const ours = block[have];
      // Behind the block is what the next one is compared with.
      if (!ours) return have;
      if (ours.position !== position || Buffer.compare(ours.bytes, bytes) !== 0)
        throw exportRefused(
          `the stream "${stream}" holds something else at position ${position}; nothing was changed there`,
        );
      have += 1;
    }
    if (end || have === block.length) return have;
  }
}

/**
 * Writes an export into a stream that is empty or holds its beginning, and returns where it ends. Everything is verified before
 * the log is opened, so that a wrong file makes no store; an interrupted import is continued where it stopped. The caller closes
 * the log. Rejects `CERTBUS_STORE_EXPORT_REFUSED`, also where the export ends below the floor of the trust, unless `acceptStale` is set:
 * then nobody begins on the bus before the root has recorded a restore.
 */
export async function importBus(
  file: ExportFile,
  openLog: () => Promise<Log>,
  {
    stream,
    trust,
    acceptStale = false,
    ...options
  }: BackupOptions & { readonly stream: string; readonly trust: Trust; readonly acceptStale?: boolean },
): Promise<Checkpoint> {
  const { signal, onProgress } = options;
  const checkpoint = await checkpointOfExport(file, trust, { signal });
  if (file.isTorn) throw exportRefused('its last block is unfinished: run the same export again');
  if (checkpoint.position === 0) throw exportRefused('it is empty');
  if (!acceptStale && isBelowFloor(trust, checkpoint)) {
    const cause = belowFloor(trust, checkpoint);
    throw exportRefused(
      `${cause.message} Look for a newer export; without one, import it with --accept-stale and go on with "certbus bus restored"`,
      cause,
    );
  }
  const log = await openLog();
  for await (const block of file.blocks()) {
    const have = await writtenAlready(log, stream, block, signal);
    for (const { position, bytes } of block.slice(have))
      await log.append(stream, position - 1, bytes, signal ? { signal } : {});
    onProgress?.(block.at(-1)?.position ?? 0);
  }
  return checkpoint;
}
