/** A machine's local copy of what a bus says, in one SQLite file. */
import { existsSync, statSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DatabaseSync, type WriteWait, whenWritten } from '@certbus/store/sqlite-files';
import { checkFile } from './checking/check.ts';
import { type Damage, type DamageWatch, takeNews, watchDamage } from './checking/damage.ts';
import { isDamage } from './checking/digest.ts';
import { createTolerantReader, nothingRead } from './checking/tolerant-reader.ts';
import { ReplicaError } from './errors.ts';
import type { FollowedReplica } from './followed.ts';
import { createFollowingReader, type Following, type FollowingNote } from './following.ts';
import { type Change, createReader, type ReplicaReader } from './reader.ts';
import { createOverDisk } from './unwritten/over-disk.ts';
import { type KeyVault, openKeyVault } from './vault/vault.ts';
import { startKeeper } from './writer/calls.ts';
import { hasLog, isWritable, makeFolder, openToRead, openToServe } from './writer/file.ts';
import { createBuilding, createLocalReplica } from './writer/local-replica.ts';
import type { ReplicaFile } from './writer/replica-file.ts';
import type { ReplicaRole } from './writer/role.ts';
import type { WriterNews } from './writer/roomy-writer.ts';
import { createTables } from './writer/tables.ts';
import { startWriterHere, startWriterThread, type ThreadFollowOptions, type WriterThread } from './writer/thread.ts';
import { createWriter, type Write } from './writer/writer.ts';

/** A machine's local copy of what a bus says. */
export interface Replica extends ReplicaReader, FollowedReplica {
  /** Whether this process may advance the replica; one process at a time does. */
  readonly advancing: boolean;
  /** What was found damaged in its file. */
  readonly damage: Damage;
  /**
   * Whether all of its bus can be relied on to be there: it is complete, and nothing of it was found damaged or lost with a damaged file. While
   * it is not, what is missing was not necessarily removed.
   */
  isWhole(): boolean;
  /** Checks every row that is served, a few in each turn of the event loop, and returns {@link Replica.isWhole}. */
  check(): Promise<boolean>;
  /**
   * Why this process could not write the replica when it last tried to, `CERTBUS_REPLICA_FAILED`: a full or read-only disk, a folder
   * without access. What is there is served all the same, and in a client that advances what came since from memory, up to some
   * 5,000 renewals. `undefined` where nothing is wrong.
   */
  readonly problem: ReplicaError | undefined;
  /** Why it is written on this thread, between handshakes: the file of the writing thread cannot be loaded. `undefined` where it can. */
  readonly unthreaded: Error | undefined;
  /** Takes the right to advance where it is free. Rejects `CERTBUS_REPLICA_FAILED` where it cannot be taken here at all. */
  tryAdvance(): Promise<boolean>;
  /**
   * Opens, reads and verifies a bus in the thread that writes this replica, and takes what it says, until the signal. Only while advancing;
   * absent where it is written on this thread. Rejects with what only opening the bus again can mend.
   */
  readonly follow?: (options: ThreadFollowOptions) => Promise<void>;
  /** Keeps that what it began with was found to be the newest of its bus, or was accepted as that: it is a checkpoint from now on. Only while advancing. */
  settle(): Promise<void>;
  /** The replica as it is now, for a long read beside everything else. */
  hold(): ReplicaReader & { close(): void };
  /** Reads in one transaction, so that nothing changes in between. */
  snapshot<T>(read: (reader: ReplicaReader) => T): T;
  /** Opens the vault of opened keys next to the replica, to be closed before it. */
  openVault(owner: VaultOwner): Promise<KeyVault>;
  /**
   * Has each problem of the file reported once, that of before at once: `CERTBUS_REPLICA_DAMAGED`, and in a client `CERTBUS_REPLICA_FAILED`
   * where what it takes is in memory alone. A damaged file is replaced, by the process that advances it, by what can be read of it; the bus
   * is read again then.
   */
  onProblem(listener: (error: ReplicaError) => void): void;
  /** A number that differs after every change, by whomever; what {@link Replica.note} writes is not one. */
  version(): number;
  /** Resolves after `withinMs`, sooner once {@link Replica.version} is not `version` any more. Rejects with the signal's reason. */
  whenWritten(version: number, wait: WriteWait): Promise<void>;
  /** How following the bus stands, as the process that advances the replica last noted; `undefined` where none has. */
  following(): Following | undefined;
  /** Notes how following the bus stands, for those that read along. Only while advancing. */
  note(note: FollowingNote): Promise<void>;
  close(): Promise<void>;
}

/** Whose keys a vault keeps. */
export interface VaultOwner {
  /** This server's age identity. */
  readonly identity: string;
  readonly recipient: string;
}

export interface ReplicaOptions {
  /** The file, or `:memory:` for a replica that ends with the process. */
  readonly path: string;
  /** The bus's id, from its trust file. */
  readonly busId: string;
  /**
   * Whom it is for; default `manager`. A client's keeps what is served, and passes over what is damaged, so that everything else is served. A
   * manager's keeps everything and throws `CERTBUS_REPLICA_DAMAGED`: what does not read must not be taken for what is not there.
   */
  readonly role?: ReplicaRole;
  /**
   * Whether it is closed again soon, by a program that answers nobody meanwhile: it is written on the thread that opens it. To start another
   * one takes longer than most of what such a program does. Default false.
   */
  readonly isBrief?: boolean;
}

const FILE_WAIT_MS = 5_000;

/** The methods of a reader, each looked up at its call: the database behind may change. */
function delegate(current: () => ReplicaReader): ReplicaReader {
  return {
    checkpoint: () => current().checkpoint(),
    bus: () => current().bus(),
    isComplete: () => current().isComplete(),
    isSettled: () => current().isSettled(),
    countLost: () => current().countLost(),
    certificate: (certificateId) => current().certificate(certificateId),
    lookup: (serverName) => current().lookup(serverName),
    isNamed: (name) => current().isNamed(name),
    isShared: (name) => current().isShared(name),
    sharedNames: (after, limit) => current().sharedNames(after, limit),
    certificates: () => current().certificates(),
    listed: () => current().listed(),
    retired: (at) => current().retired(at),
    lostSince: (after) => current().lostSince(after),
    idsByNameSet: (key) => current().idsByNameSet(key),
    due: (at) => current().due(at),
    upcoming: (after) => current().upcoming(after),
    paused: (range) => current().paused(range),
    leavesAfter: (position, limit) => current().leavesAfter(position, limit),
    leavesUpTo: (position, limit) => current().leavesUpTo(position, limit),
    countServed: () => current().countServed(),
    countEnding: (at) => current().countEnding(at),
    nextEnd: (at) => current().nextEnd(at),
    countDue: (at) => current().countDue(at),
    countUrgent: (at) => current().countUrgent(at),
    countFailing: () => current().countFailing(),
    failing: (failureClass, limit) => current().failing(failureClass, limit),
    urgent: (at, limit) => current().urgent(at, limit),
    firstEnd: (directory) => current().firstEnd(directory),
    issuer: (hash) => current().issuer(hash),
    changedSince: (position, limit) => current().changedSince(position, limit),
    rootEvents: () => current().rootEvents(),
    spending: (key, stretch) => current().spending(key, stretch),
    countDuties: (selection) => current().countDuties(selection),
    selected: (selection, page) => current().selected(selection, page),
    nextReady: (selection, after) => current().nextReady(selection, after),
    records: () => current().records(),
  };
}

const closed = (): ReplicaError => new ReplicaError('CERTBUS_REPLICA_CLOSED', 'This replica was closed.');

function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  if (database.isTransaction) return work();
  database.exec('BEGIN');
  try {
    return work();
  } finally {
    // What the disk refuses ends some transactions by itself.
    if (database.isTransaction) database.exec('COMMIT');
  }
}

function openInMemory(busId: string, role: ReplicaRole): Replica {
  const database = new DatabaseSync(':memory:');
  createTables(database, busId);
  const open = createReader(database);
  const writer = createWriter(database, { busId, role });
  const following = createFollowingReader(database);
  let version = 0;
  let isClosed = false;
  const reader = delegate(() => {
    if (isClosed) throw closed();
    return open;
  });
  const write = async (wanted: Write) => {
    if (wanted.kind !== 'note') version += 1;
    return writer(wanted);
  };
  return {
    ...reader,
    ...createLocalReplica(reader, { role, write }),
    advancing: true,
    damage: { found: 0, replaced: undefined },
    isWhole: () => reader.isComplete(),
    check: async () => reader.isComplete(),
    onProblem() {},
    problem: undefined,
    unthreaded: undefined,
    tryAdvance: async () => true,
    settle: async () => void (await write({ kind: 'settle' })),
    hold() {
      // Nobody else writes here, and a memory has no second connection.
      const [checkpoint, bus, records] = [reader.checkpoint(), reader.bus(), [...reader.records()]];
      return { ...reader, checkpoint: () => checkpoint, bus: () => bus, records: () => records, close() {} };
    },
    snapshot(read) {
      if (isClosed) throw closed();
      return inTransaction(database, () => read(reader));
    },
    openVault: (owner) => openKeyVault({ ...owner, path: undefined, replica: undefined, busId }, startKeeper),
    version() {
      if (isClosed) throw closed();
      return version;
    },
    whenWritten: (before, wait) => whenWritten(':memory:', () => version !== before, wait),
    following,
    note: async (note) => void (await write({ kind: 'note', note })),
    async close() {
      if (isClosed) return;
      isClosed = true;
      database.close();
    },
  };
}

/** Waits until the process that advances has made the file. */
async function waitForFile(path: string): Promise<void> {
  const deadline = performance.now() + FILE_WAIT_MS;
  while (!existsSync(path)) {
    if (performance.now() > deadline) {
      const what = `Another process holds ${path}.lock and has not made the replica. Is it stuck? Stop it, or remove nothing and try again.`;
      throw new ReplicaError('CERTBUS_REPLICA_NOT_READY', what);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** What a replica's file says of its own changes; looked up again only where somebody has written to it. */
function createCounters(database: DatabaseSync) {
  const dataVersion = database.prepare('PRAGMA data_version');
  const selectChanges = database.prepare('SELECT changes FROM bus');
  const readFollowing = createFollowingReader(database);
  let seen: unknown;
  let changes = 0;
  let following: Following | undefined;
  function look(): void {
    const version = dataVersion.get()?.['data_version'];
    if (version === seen) return;
    try {
      changes = Number(selectChanges.get()?.['changes']);
      following = readFollowing();
    } catch (error) {
      // What was read last counts until the file is mended.
      if (!isDamage(error)) throw error;
    }
    seen = version;
  }
  return {
    changes(): number {
      look();
      return changes;
    },
    following(): Following | undefined {
      look();
      return following;
    },
  };
}

/** Makes the reader of a connection. */
type ReadWith = (database: DatabaseSync) => ReplicaReader;

/** Reads as a role needs it; `note` takes what is passed over. */
function readerFor(role: ReplicaRole, note: (error: unknown) => void): ReadWith {
  const last = nothingRead();
  return (database) =>
    role === 'client'
      ? createTolerantReader(createReader(database, 'served', { onDamage: note }), { last, onDamage: note })
      : createReader(database, 'served', {
          onDamage(error) {
            note(error);
            throw error;
          },
        });
}

/** How a file is opened to read. */
interface Opening {
  readonly path: string;
  readonly busId: string;
  readonly readWith: ReadWith;
  /** The first database. */
  readonly database: DatabaseSync;
  /** Whether that is what can be read of the file, in memory. */
  readonly isSalvaged: boolean;
  /** Called when another file was put in its place. */
  readonly onReplaced: () => void;
  /** Takes damage that keeps it from being opened again. */
  readonly onDamage: (error: unknown) => void;
}

/** The file for reading; opened again when another was put in its place. */
function openFile({ path, busId, readWith, onReplaced, onDamage, ...first }: Opening) {
  let { database, isSalvaged } = first;
  let reader = readWith(database);
  let counters = createCounters(database);
  let inode = statSync(path).ino;
  let reopened = 0;
  let isClosed = false;

  /** One that could not be opened again after it was closed is tried again. */
  function closeDatabase(): void {
    if (database.isOpen) database.close();
  }
  function use(next: DatabaseSync): void {
    closeDatabase();
    [database, isSalvaged] = [next, false];
    reader = readWith(next);
    counters = createCounters(next);
    const { ino } = statSync(path);
    if (ino !== inode) onReplaced();
    inode = ino;
    reopened += 1;
  }

  function openAnother(): void {
    try {
      use(openToRead(path, busId));
    } catch (error) {
      // Who writes it may have it open since before it was damaged, and know nothing of that.
      if (error instanceof ReplicaError && error.code === 'CERTBUS_REPLICA_DAMAGED') onDamage(error);
      throw error;
    }
  }
  function version(): number {
    if (existsSync(path) && statSync(path).ino !== inode) openAnother();
    // A new file counts its own changes from 1 again.
    return reopened * 2 ** 32 + counters.changes();
  }

  return {
    database: () => database,
    reader: () => reader,
    /**
     * Looks at a file again that could not be written. All of a process share one piece of shared memory for a file: as long as this
     * one reads it from a disk that was read-only, the writing thread cannot write either.
     */
    refresh(): void {
      // What was salvaged is replaced first.
      if (isSalvaged || isClosed) return;
      const isOurs = isWritable(path);
      // Where another process writes it, what was opened as a file that never changes is one no longer.
      if (!isOurs && !hasLog(path)) return;
      if (isOurs) closeDatabase();
      use(openToRead(path, busId));
    },
    /** Reads what was put in its place; where that cannot be opened, what it was before. */
    reopen(): void {
      // The writing thread closes last, and may report what it does until then.
      if (isClosed) return;
      try {
        use(openToRead(path, busId));
      } catch (error) {
        if (!(error instanceof ReplicaError)) throw error;
      }
    },
    close() {
      isClosed = true;
      closeDatabase();
    },
    hold() {
      const held = openToRead(path, busId);
      // The first read makes the picture that the transaction keeps.
      held.exec('BEGIN');
      const heldReader = readWith(held);
      heldReader.checkpoint();
      return { ...heldReader, close: () => held.close() };
    },
    version,
    whenWritten: (isWritten: () => boolean, wait: WriteWait) => whenWritten(path, isWritten, wait),
    following: () => counters.following(),
  };
}

/** The right to advance, as this process holds it. */
interface Advance {
  readonly advancing: boolean;
  readonly problem: ReplicaError | undefined;
  /** Whether another process has the file open to write, and has no room either. */
  readonly isBeside: boolean;
}

const inMemoryOnly = (path: string, why: string): ReplicaError =>
  new ReplicaError(
    'CERTBUS_REPLICA_FAILED',
    `The replica ${path} could not be written: ${why}. What comes from the bus is served from memory until it can be, and lost with this process.`,
  );

/** Asks the thread for the right to advance; that it cannot write is an answer, that the replica is another bus's is not. */
async function askToAdvance({ path, thread, watch }: Pick<Parts, 'path' | 'thread' | 'watch'>): Promise<Advance> {
  try {
    const { advancing, replaced, unwritable, isBeside = false } = await thread.advance();
    if (replaced && replaced.aside !== watch.damage.replaced?.aside) watch.replaced(replaced);
    return { advancing, problem: unwritable === undefined ? undefined : inMemoryOnly(path, unwritable), isBeside };
  } catch (error) {
    if (!(error instanceof ReplicaError) || error.code !== 'CERTBUS_REPLICA_FAILED') throw error;
    return { advancing: false, problem: error, isBeside: false };
  }
}

/**
 * Opens a replica, and makes it where there is none. The right to advance is taken where it is free; then a damaged or foreign
 * file is replaced by what can be read of it. What can be opened is not read as a whole first: each row is checked when it is read, and all of
 * them in the background. Otherwise the file is read, and {@link Replica.version} shows what the process that advances it has
 * written. A replica that cannot be written is read as it is, see {@link Replica.problem}.
 *
 * Rejects `CERTBUS_REPLICA_FILE_OPEN` where others can write the file or its folder, `CERTBUS_REPLICA_OTHER_BUS`,
 * `CERTBUS_REPLICA_NOT_READY` or, where there is nothing to read either, `CERTBUS_REPLICA_FAILED`.
 */
export async function openReplica({
  path,
  busId,
  role = 'manager',
  isBrief = false,
}: ReplicaOptions): Promise<Replica> {
  if (path === ':memory:') return openInMemory(busId, role);
  makeFolder(path);
  const opened: { replica?: OpenedFile } = {};
  const watch = watchDamage(path, () => opened.replica?.mend());
  const start = isBrief ? startWriterHere : startWriterThread;
  const thread = await start({ path, busId, role }, (news) => opened.replica?.take(news));
  try {
    const first = await askToAdvance({ path, thread, watch });
    if (first.problem && !existsSync(path)) throw first.problem;
    if (!first.advancing) await waitForFile(path);
    const isAlone = first.advancing && first.problem !== undefined && !first.isBeside;
    const file = openFor({ path, busId, role }, { watch, isAlone });
    const advance = { ...first };
    const unwritten = watchUnwritten({ path, file, thread, watch, advance });
    opened.replica = {
      mend: () => (advance.advancing ? thread.mend : undefined),
      take(news) {
        if (news.kind === 'overtaken') unwritten.detach();
        if (news.kind === 'unwritten' || news.kind === 'unwritable' || news.kind === 'written')
          return unwritten.take(news);
        if (news.kind !== 'damaged') file.reopen();
        // That the one which writes the file has room again is what everybody waited for.
        if (news.kind !== 'overtaken' || !advance.isBeside) takeNews(watch, path, news);
      },
    };
    const openVault: Replica['openVault'] = (owner) =>
      openKeyVault({ ...owner, path: `${path}.keys`, replica: path, busId }, thread.startKeeper);
    return replicaOf({ path, file, role, thread, watch, advance, unwritten, openVault });
  } catch (error) {
    await thread.close();
    throw error;
  }
}

/** Opens a file to read as a role needs it. */
function openFor(
  { path, busId, role }: ReplicaFile,
  { watch, isAlone }: { readonly watch: DamageWatch; readonly isAlone: boolean },
) {
  const { note, reopened } = watch;
  const rest = { path, busId, readWith: readerFor(role, note), onReplaced: reopened, onDamage: note };
  if (role === 'manager') return openFile({ ...rest, database: openToRead(path, busId), isSalvaged: false });
  const { database, damage } = openToServe({ path, busId, role }, { isAlone });
  if (damage) note(damage);
  return openFile({ ...rest, database, isSalvaged: damage !== undefined });
}

/** What news of the file concern, once it is open. */
interface OpenedFile {
  mend(): (() => Promise<void>) | undefined;
  take(news: WriterNews): void;
}

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 10_000;

/** Reads what is in memory alone over what is on the disk, and tries to write it, with growing pauses. */
function watchUnwritten({ path, file, thread, watch, advance }: Omit<Parts, 'unwritten' | 'role' | 'openVault'>) {
  const served = createOverDisk(file.reader);
  let changes = 0;
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;

  async function catchUp(): Promise<void> {
    timer = undefined;
    if (!advance.problem) return;
    try {
      file.refresh();
      await thread.catchUp();
    } catch {
      // It was reported.
      failures += 1;
    }
    if (advance.advancing && advance.problem) later();
  }
  function later(): void {
    timer ??= setTimeout(() => void catchUp(), Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures)).unref();
  }
  function begin(problem: ReplicaError): void {
    if (advance.problem?.message !== problem.message) watch.happened(problem);
    advance.problem = problem;
    later();
  }
  if (advance.advancing && advance.problem) {
    watch.happened(advance.problem);
    later();
  }

  return {
    /** This process advances, and cannot write: what it takes is in memory alone. */
    begin,
    take(news: Extract<WriterNews, { kind: 'unwritten' | 'unwritable' | 'written' }>): void {
      if (news.kind === 'unwritable') {
        begin(inMemoryOnly(path, news.message));
        return;
      }
      changes += 1;
      if (news.kind === 'written') {
        served.written();
        [failures, advance.problem] = [0, undefined];
        // What was opened as a file that never changes, since nobody could write it, is one no longer.
        file.reopen();
        return;
      }
      served.take(news.change);
      begin(inMemoryOnly(path, news.message));
    },
    /** Another process advances now. What is in memory is served until that one has taken as much: nothing older than before is. */
    detach(): void {
      [advance.advancing, advance.problem, failures] = [false, undefined, 0];
      served.detach();
    },
    reader: served.reader,
    /** Counts what is in memory as changes of the file. */
    version: () => changes * 2 ** 32 + file.version(),
    stop: () => clearTimeout(timer),
  };
}

/** What a replica in a file is made of; `advance` changes with the right to. */
interface Parts extends Pick<Replica, 'openVault'> {
  readonly path: string;
  readonly role: ReplicaRole;
  readonly thread: WriterThread;
  readonly watch: DamageWatch;
  readonly advance: { -readonly [Key in keyof Advance]: Advance[Key] };
  readonly file: ReturnType<typeof openFile>;
  readonly unwritten: ReturnType<typeof watchUnwritten>;
}

function replicaOf({ path, file, role, thread, watch, unwritten, openVault, advance: state }: Parts): Replica {
  let isClosed = false;
  const current = () => {
    if (isClosed) throw closed();
    return unwritten.reader();
  };
  const noteDamage = (error: unknown): never => {
    if (isDamage(error)) watch.note(error);
    throw error;
  };
  const write = async (wanted: Write): Promise<readonly Change[]> => {
    if (!state.advancing) throw new ReplicaError('CERTBUS_REPLICA_READ_ONLY', 'Another process advances this replica.');
    return thread.write(wanted).catch(noteDamage);
  };
  const { follow } = thread;
  const reader = delegate(current);
  // What is read may be found damaged by that.
  const isWhole = () => reader.isComplete() && reader.countLost() === undefined && !watch.isDamaged;
  return {
    ...reader,
    isWhole,
    async check() {
      try {
        for (const _ of checkFile(path)) {
          await nextTurn();
          current();
        }
      } catch (error) {
        if (!isDamage(error)) throw error;
        watch.note(error);
      }
      return isWhole();
    },
    get advancing() {
      return state.advancing;
    },
    get damage() {
      return watch.damage;
    },
    onProblem: (listener) => watch.listen(listener),
    get problem() {
      return state.problem;
    },
    unthreaded: thread.unthreaded,
    async tryAdvance() {
      if (state.advancing && !thread.hasFailed) return true;
      if (state.problem) file.refresh();
      const { problem, ...rest } = await askToAdvance({ path, thread, watch });
      Object.assign(state, rest);
      if (problem && state.advancing) unwritten.begin(problem);
      else state.problem = problem;
      if (problem && !state.advancing) throw problem;
      return state.advancing;
    },
    ...(follow ? { follow: (options: ThreadFollowOptions) => follow(options).catch(noteDamage) } : {}),
    // Each call is durable: what the thread keeps in an open transaction could not be read from here.
    apply: (commits, checkpoint) => write({ kind: 'apply', commits, checkpoint }),
    async build(beginning) {
      await write({ kind: 'build', state: beginning });
      return createBuilding({ role, write });
    },
    complete: async () => void (await write({ kind: 'complete' })),
    settle: async () => void (await write({ kind: 'settle' })),
    hold: () => file.hold(),
    snapshot(read) {
      const reader = current();
      return inTransaction(file.database(), () => read(reader));
    },
    openVault,
    version() {
      current();
      return unwritten.version();
    },
    following() {
      current();
      return file.following();
    },
    whenWritten: (version, wait) => file.whenWritten(() => unwritten.version() !== version, wait),
    note: async (note) => void (await write({ kind: 'note', note })),
    async close() {
      if (isClosed) return;
      isClosed = true;
      unwritten.stop();
      // The writer closes last, and takes the write-ahead log into the file: so that it can be read where nothing can be written.
      file.close();
      await thread.close();
    },
  };
}
