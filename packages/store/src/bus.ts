import { EventsError, type Signer, sha256, type Trust } from '@certbus/events';
import {
  type Checkpoint,
  type Commit,
  encodeCommit,
  HistoryError,
  keyIdOf,
  type VerifiedCommits,
  verifyCommits,
  type WrittenEvent,
} from '@certbus/events/history';
import { createArchiveReader, RANGE_COMMITS } from './archive/archive.ts';
import type { ArchivePlace } from './archive/place.ts';
import { StoreError, TrimmedError } from './errors.ts';
import type { Log, StoredCommit } from './log.ts';

const DEFAULT_LIMIT = 150;

/** A page of proved commits. */
export interface VerifiedPage extends VerifiedCommits {
  /** The proved commits as they lie in the store. */
  readonly stored: readonly StoredCommit[];
  /** True when nothing was known behind the last commit. */
  readonly end: boolean;
}

export interface BusReadOptions {
  /** At most this many commits; default 150. */
  readonly limit?: number;
  /** See every append acknowledged before the read began. Default false. */
  readonly consistent?: boolean;
  /** Check every commit's own signature instead of one a segment. Default false. */
  readonly everySignature?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface BusOptions {
  readonly trust: Trust;
  /** Needed to append only. */
  readonly signer?: Signer | undefined;
  /** Where commits lie that were trimmed from the log, or that a reader far behind had better not load the log with. */
  readonly archive?: ArchivePlace | undefined;
}

/** A commit that this process wrote, and where the history stands behind it. */
export interface Appended {
  readonly commit: Commit;
  readonly checkpoint: Checkpoint;
}

/** A log whose commits are verified and decoded: one stream of one store. */
export interface Bus {
  readonly trust: Trust;
  readonly stream: string;
  /**
   * Reads and verifies what follows `from`, from the archive where the log has it no more. Rejects with a `StoreError`, as
   * {@link TrimmedError} where no archive has it; what is refused is returned as `refused`.
   */
  read(from: Checkpoint, options?: BusReadOptions): Promise<VerifiedPage>;
  /**
   * Re-reads the commit at `from` strongly and compares its hash, so that an overwritten, truncated or rolled-back log
   * shows. Rejects with a {@link HistoryError}.
   */
  confirm(from: Checkpoint, options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  /**
   * Signs the events as one commit behind `from` and appends it. Rejects with `VersionConflictError`,
   * `CERTBUS_STORE_OUTCOME_UNKNOWN`, and `CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE` when this signer may not write here.
   */
  append(
    from: Checkpoint,
    events: readonly WrittenEvent[],
    options: { readonly at: Date; readonly signal?: AbortSignal | undefined },
  ): Promise<Appended>;
  /** A number that differs after any write by another connection; `undefined` where the store cannot tell cheaply. */
  version(): number | undefined;
  close(): Promise<void>;
}

/** Without `signal: undefined`, which `exactOptionalPropertyTypes` refuses. */
const only = (signal: AbortSignal | undefined): { signal?: AbortSignal } => (signal ? { signal } : {});

/** Cuts a page where it stops being contiguous: an eventually consistent read may show 7 before 6. */
function contiguous(after: number, commits: readonly StoredCommit[]): readonly StoredCommit[] {
  const gap = commits.findIndex(({ position }, index) => position !== after + 1 + index);
  return gap < 0 ? commits : commits.slice(0, gap);
}

function nameOf(signer: Signer, { trust, from }: { trust: Trust; from: Checkpoint }): string {
  const manager = from.managers.find(({ signingKey }) => signingKey === signer.publicKey);
  if (manager) return manager.name;
  if (signer.publicKey === trust.rootKey) return 'root';
  throw new EventsError(
    'CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE',
    `The key ${keyIdOf(signer.publicKey)} is not a manager of this bus, so it may not write to it. Use a manager key that the root has named, or let the root name this one.`,
  );
}

/** Reads a page without gaps: strongly again where an eventual read had one. Rejects `CERTBUS_STORE_GAP`. */
async function readContiguous(log: Log, stream: string, after: number, options: BusReadOptions) {
  const { limit, consistent = false, signal } = options;
  const read = (strongly: boolean) =>
    log.read(stream, after, { ...(limit ? { limit } : {}), consistent: strongly, ...only(signal) });
  let page = await read(consistent);
  let commits = contiguous(after, page.commits);
  if (commits.length < page.commits.length && !consistent) {
    page = await read(true);
    commits = contiguous(after, page.commits);
  }
  const lost = page.commits[commits.length];
  if (lost && commits.length > 0) return { commits, end: false };
  if (lost) {
    throw new StoreError(
      'CERTBUS_STORE_GAP',
      `Stream "${stream}" has position ${lost.position} but not ${after + commits.length + 1}: commits are missing from the store. "certbus bus repair --from EXPORT" puts them back.`,
    );
  }
  return { commits, end: page.end };
}

/** The archive as one reader of one bus uses it. */
function createArchiveSource(place: ArchivePlace, busId: string) {
  const reader = createArchiveReader(place, busId);
  const rangeOf = (after: number): number => Math.floor(after / RANGE_COMMITS);
  let missing = Number.POSITIVE_INFINITY;
  let failed: number | undefined;
  return {
    /** What the archive has behind a position; nothing for a range that was missing, or failed, the last time. */
    async read(after: number, { limit = DEFAULT_LIMIT, signal }: BusReadOptions): Promise<readonly StoredCommit[]> {
      const range = rangeOf(after);
      if (range >= missing || range === failed) return [];
      const found = await reader.read(after, limit, { signal });
      // Ranges are archived in order: those behind a missing one are missing, too.
      if (!found) missing = range;
      return found ?? [];
    },
    /** An archive that is out of reach or damaged holds its reader up once a range, not once a page. */
    leave(after: number) {
      failed = rangeOf(after);
    },
    /** Lets what was missing, or failed, be asked for again. */
    retry() {
      missing = Number.POSITIVE_INFINITY;
      failed = undefined;
    },
  };
}

/** Opens the bus that lies in a stream of a log. */
export function openBus(log: Log, stream: string, { trust, signer, archive }: BusOptions): Bus {
  const archived = archive && createArchiveSource(archive, trust.busId);
  let isBehind = false;

  /** What the archive proves behind `from`; `undefined` where the log is to be asked. */
  async function readArchive(from: Checkpoint, options: BusReadOptions): Promise<VerifiedPage | undefined> {
    const stored = (await archived?.read(from.position, options)) ?? [];
    if (stored.length === 0) return undefined;
    const { everySignature = false } = options;
    const verified = verifyCommits(trust, from, stored, { everySignature });
    return { ...verified, stored: stored.slice(0, verified.commits.length), end: false };
  }

  /** The same, where the log has it too and whatever is wrong with the archive does not matter. */
  async function readArchiveIfGood(from: Checkpoint, options: BusReadOptions): Promise<VerifiedPage | undefined> {
    try {
      const page = await readArchive(from, options);
      if (!page?.refused) return page;
    } catch {
      options.signal?.throwIfAborted();
    }
    archived?.leave(from.position);
    return undefined;
  }

  async function readLog(from: Checkpoint, options: BusReadOptions): Promise<VerifiedPage> {
    const { commits: stored, end } = await readContiguous(log, stream, from.position, options);
    const { everySignature = false } = options;
    const verified = verifyCommits(trust, from, stored, { everySignature });
    isBehind = !end;
    if (end) archived?.retry();
    return { ...verified, stored: stored.slice(0, verified.commits.length), end };
  }

  return {
    trust,
    stream,
    async read(from, options = {}) {
      // More than a page behind: a thousand such readers are no load on the log. A damaged archive is none either.
      const early = isBehind ? await readArchiveIfGood(from, options) : undefined;
      if (early) return early;
      try {
        return await readLog(from, options);
      } catch (error) {
        if (!(error instanceof TrimmedError)) throw error;
        archived?.retry();
        const page = await readArchive(from, options);
        if (!page) throw error;
        isBehind = true;
        return page;
      }
    },
    async confirm(from, { signal } = {}) {
      if (from.position === 0) return;
      const options = { limit: 1, consistent: true, ...only(signal) };
      const page = await log.read(stream, from.position - 1, options).catch((error: unknown) => {
        if (error instanceof TrimmedError) return undefined;
        throw error;
      });
      // What was trimmed is in the archive: what comes behind it shows whether it is the same history.
      if (!page) return;
      const [stored] = page.commits;
      if (stored?.position === from.position && sha256(stored.bytes) === from.hash) return;
      const what = stored ? 'another commit lies there now' : 'it is no longer in the log';
      throw new HistoryError('CERTBUS_EVENTS_HISTORY_FORKED', from.position, `it was read before, and ${what}`);
    },
    async append(from, events, { at, signal }) {
      if (!signer) throw new TypeError('This bus was opened without a signer, for reading only.');
      const position = from.position + 1;
      const by = nameOf(signer, { trust, from });
      const content = { format: from.format, bus: trust.busId, position, previous: from.hash, at, by, events };
      const bytes = encodeCommit(content, signer);
      // Held against the same rules as everybody else's: what this process could not read back is never written.
      const { commits, checkpoint, refused } = verifyCommits(trust, from, [{ position, bytes }]);
      if (refused || !commits[0]) throw refused;
      await log.append(stream, from.position, bytes, only(signal));
      return { commit: commits[0], checkpoint };
    },
    version: () => log.version?.(),
    close: () => log.close(),
  };
}
