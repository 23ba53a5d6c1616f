/** A bus: one stream of a log, whose commits are verified and decoded. */
import { EventsError, type Signer, sha256, type Trust } from '@certbus/events';
import {
  type Checkpoint,
  encodeCommit,
  HistoryError,
  keyIdOf,
  type Refusal,
  verifyCommits,
  type WrittenEvent,
} from '@certbus/events/history';
import type { ArchivePlace } from './archive/place.ts';
import { type ArchiveSource, createArchiveSource } from './archive/source.ts';
import type { Appended, Bus, BusReadOptions, VerifiedPage } from './bus-port.ts';
import { StoreError, TrimmedError } from './errors.ts';
import { aboveFloor } from './floor.ts';
import type { Log, Page, StoredCommit } from './log.ts';
import { withinPage } from './page-size.ts';
import { sleep } from './sleep.ts';

const DEFAULT_LIMIT = 150;

/** How a bus is opened. */
export interface BusOptions {
  readonly trust: Trust;
  /** Needed to append only. */
  readonly signer?: Signer | undefined;
  /** Where the commits are that were trimmed from the log; a reader that is far behind reads the others there, too, to spare the log. */
  readonly archive?: ArchivePlace | undefined;
}

/** Without `signal: undefined`, which `exactOptionalPropertyTypes` refuses. */
const only = (signal: AbortSignal | undefined): { signal?: AbortSignal } => (signal ? { signal } : {});

/** A bus on an open log. */
interface OpenBus {
  readonly log: Log;
  readonly stream: string;
  readonly trust: Trust;
  readonly archive: ArchiveSource | undefined;
  /** Whether the last read ended before the end of the bus. */
  isBehind: boolean;
  /** What the last read refused: while the same bytes are there, they are not verified again. */
  refusal: Refusal | undefined;
  /** What a commit of the last page had, in bytes: as many are asked for as a page is likely to have room for. */
  commitBytes: number;
}

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
    `The key ${keyIdOf(signer.publicKey)} is not a manager of this bus, so it cannot write to it. Use a manager key that the root has named, or let the root name this one.`,
  );
}

/** The part of a page without gaps. Throws `CERTBUS_STORE_GAP` where there is none. */
function wholePart({ commits: found, end }: Page, stream: string, after: number): Page {
  const commits = contiguous(after, found);
  const lost = found[commits.length];
  if (!lost) return { commits, end };
  if (commits.length > 0) return { commits, end: false };
  throw new StoreError(
    'CERTBUS_STORE_GAP',
    `Stream "${stream}" has position ${lost.position} but not ${after + 1}: commits are missing from the store. "certbus bus repair --from EXPORT" puts them back.`,
  );
}

/** Throws a `HistoryError` unless what was found at a checkpoint's position is the commit that was read there before. */
function checkSame(from: Checkpoint, stored: StoredCommit | undefined): void {
  if (stored?.position === from.position && sha256(stored.bytes) === from.hash) return;
  const what = stored ? 'another commit is there now' : 'it is no longer in the log';
  throw new HistoryError('CERTBUS_EVENTS_HISTORY_FORKED', from.position, `it was read before, and ${what}`);
}

/** How many commits to ask for. */
function limitOf({ commitBytes }: OpenBus, { limit = DEFAULT_LIMIT, maxBytes }: BusReadOptions): number {
  if (maxBytes === undefined) return limit;
  return Math.min(limit, Math.max(1, Math.ceil(maxBytes / commitBytes)));
}

/** The part of a page that has room in so many bytes. */
function cutTo<P extends Pick<Page, 'commits' | 'end'>>(bus: OpenBus, page: P, { maxBytes }: BusReadOptions): P {
  if (page.commits.length > 0)
    bus.commitBytes = page.commits.reduce((sum, { bytes }) => sum + bytes.length, 0) / page.commits.length;
  if (maxBytes === undefined) return page;
  const commits = [...withinPage(page.commits, maxBytes)];
  return { ...page, commits, end: page.end && commits.length === page.commits.length };
}

/** Reads a page without gaps: strongly again where an eventual read had one. Rejects `CERTBUS_STORE_GAP`. */
async function readContiguous(bus: OpenBus, after: number, options: BusReadOptions): Promise<Page> {
  const { log, stream } = bus;
  const { consistent = false, signal } = options;
  const own = { limit: limitOf(bus, options), ...only(signal) };
  const page = await log.read(stream, after, { ...own, consistent });
  const isGapped = contiguous(after, page.commits).length < page.commits.length;
  const whole = isGapped && !consistent ? await log.read(stream, after, { ...own, consistent: true }) : page;
  return wholePart(whole, stream, after);
}

/** Reads a page without gaps strongly, and the commit at `from` with it, which it compares. Rejects as both do. */
async function readConfirmed(bus: OpenBus, from: Checkpoint, options: BusReadOptions): Promise<Page> {
  const { log, stream } = bus;
  const { signal } = options;
  const after = from.position - 1;
  const limit = limitOf(bus, options) + 1;
  const { commits, end } = await log.read(stream, after, { limit, consistent: true, ...only(signal) });
  const [same, ...behind] = commits;
  checkSame(from, same);
  return wholePart({ commits: behind, end }, stream, from.position);
}

/** Verifies commits that follow `from`, those that were refused before only once they are others. */
function verifyPage(
  bus: OpenBus,
  from: Checkpoint,
  { commits: stored, end }: Pick<VerifiedPage, 'end'> & { readonly commits: readonly StoredCommit[] },
  { everySignature = false }: BusReadOptions,
): VerifiedPage {
  const verified = verifyCommits(bus.trust, from, stored, { everySignature, refusal: bus.refusal });
  if (verified.refusal) bus.refusal = verified.refusal;
  return { ...verified, stored: stored.slice(0, verified.commits.length), end };
}

/** What the archive proves behind `from`; `undefined` where the log has to be asked. */
async function readArchive(bus: OpenBus, from: Checkpoint, options: BusReadOptions): Promise<VerifiedPage | undefined> {
  const commits = (await bus.archive?.read(from.position, { ...options, limit: limitOf(bus, options) })) ?? [];
  return commits.length === 0
    ? undefined
    : verifyPage(bus, from, cutTo(bus, { commits, end: false }, options), options);
}

/** The same, where the log has it too and anything wrong with the archive does not matter. */
async function readArchiveIfGood(
  bus: OpenBus,
  from: Checkpoint,
  options: BusReadOptions,
): Promise<VerifiedPage | undefined> {
  try {
    const page = await readArchive(bus, from, options);
    if (!page?.refused) return page;
  } catch {
    options.signal?.throwIfAborted();
  }
  bus.archive?.skip(from.position);
  return undefined;
}

async function readLog(bus: OpenBus, from: Checkpoint, options: BusReadOptions): Promise<VerifiedPage> {
  const found =
    options.confirm && from.position > 0
      ? await readConfirmed(bus, from, options)
      : await readContiguous(bus, from.position, options);
  const page = verifyPage(bus, from, cutTo(bus, found, options), options);
  bus.isBehind = !page.end;
  if (page.end) bus.archive?.retry();
  return page;
}

/** Reads a page. Where one of few bytes proves nothing, what is behind it may. */
async function read(bus: OpenBus, from: Checkpoint, options: BusReadOptions): Promise<VerifiedPage> {
  const page = await readPage(bus, from, options);
  if (!page.refused || page.commits.length > 0 || options.maxBytes === undefined) return page;
  const { maxBytes: _, ...unbounded } = options;
  return readPage(bus, from, unbounded);
}

async function readPage(bus: OpenBus, from: Checkpoint, options: BusReadOptions): Promise<VerifiedPage> {
  // More than a page behind: a thousand such readers put no load on the log, and a damaged archive makes no difference.
  const early = bus.isBehind && !options.confirm ? await readArchiveIfGood(bus, from, options) : undefined;
  if (early) return early;
  try {
    return await readLog(bus, from, options);
  } catch (error) {
    if (!(error instanceof TrimmedError)) throw error;
    // What comes behind a commit that was trimmed shows whether it is the same history, and may be in the log.
    if (options.confirm) return readPage(bus, from, { ...options, confirm: false });
    bus.archive?.retry();
    const page = await readArchive(bus, from, options);
    if (!page) throw error;
    bus.isBehind = true;
    return page;
  }
}

async function confirm({ log, stream }: OpenBus, from: Checkpoint, signal: AbortSignal | undefined): Promise<void> {
  if (from.position === 0) return;
  const options = { limit: 1, consistent: true, ...only(signal) };
  const page = await log.read(stream, from.position - 1, options).catch((error: unknown) => {
    if (error instanceof TrimmedError) return undefined;
    throw error;
  });
  // What was trimmed is in the archive: what comes behind it shows whether it is the same history.
  if (!page) return;
  checkSame(from, page.commits[0]);
}

/** Signs events as the commit behind `from`. */
function sign(
  { trust }: OpenBus,
  from: Checkpoint,
  { signer, events, at }: { readonly signer: Signer; readonly events: readonly WrittenEvent[]; readonly at: Date },
): Appended & { readonly bytes: Uint8Array } {
  const position = from.position + 1;
  const by = nameOf(signer, { trust, from });
  const content = { format: from.format, bus: trust.busId, position, previous: from.hash, at, by, events };
  const bytes = encodeCommit(content, signer);
  // The same rules as for every other commit: what this process could not read back is never written.
  const { commits, checkpoint, refused } = verifyCommits(trust, from, [{ position, bytes }]);
  if (refused || !commits[0]) throw refused;
  const broken = commits[0].events.find((event) => event.broken !== undefined);
  if (broken)
    throw new EventsError(
      'CERTBUS_EVENTS_COMMIT_MALFORMED',
      `${broken.type} at position ${position}: ${broken.broken}`,
    );
  return { commit: commits[0], checkpoint, bytes };
}

/** Opens the bus that is in a stream of a log, held against the floor of its trust. */
export function openBus(log: Log, stream: string, { trust, signer, archive }: BusOptions): Bus {
  const source = archive && createArchiveSource(archive, trust.busId);
  const bus: OpenBus = { log, stream, trust, archive: source, isBehind: false, refusal: undefined, commitBytes: 1 };
  const unbounded: Bus = {
    trust,
    stream,
    read: (from, options = {}) => read(bus, from, options),
    confirm: (from, { signal } = {}) => confirm(bus, from, signal),
    async append(from, events, { at, signal }) {
      if (!signer) throw new TypeError('This bus was opened without a signer, for reading only.');
      const { commit, checkpoint, bytes } = sign(bus, from, { signer, events, at });
      await log.append(stream, from.position, bytes, only(signal));
      return { commit, checkpoint };
    },
    version: () => log.version?.(),
    whenWritten: async (version, { withinMs, signal: ended }) =>
      version === undefined || !log.whenWritten
        ? sleep(withinMs, ended)
        : log.whenWritten(version, { withinMs, signal: ended }),
    close: () => log.close(),
  };
  return aboveFloor(unbounded, trust);
}
