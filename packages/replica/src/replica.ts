/** A machine's local copy of what a bus says, in one SQLite file. */
import { existsSync, statSync } from 'node:fs';
import { DatabaseSync, type WriteWait, whenWritten } from '@certbus/store/sqlite-files';
import { ReplicaError } from './errors.ts';
import type { FollowedReplica } from './followed.ts';
import { createFollowingReader, type Following, type FollowingNote } from './following.ts';
import { type Change, createReader, type ReplicaReader } from './reader.ts';
import { type KeyVault, openKeyVault } from './vault/vault.ts';
import { startKeeper } from './writer/calls.ts';
import { hasLog, isWritable, makeFolder, openToRead } from './writer/file.ts';
import { createBuilding, createLocalReplica } from './writer/local-replica.ts';
import type { ReplicaRole } from './writer/role.ts';
import { createTables } from './writer/tables.ts';
import { startWriterThread, type ThreadFollowOptions, type WriterThread } from './writer/thread.ts';
import { createWriter, type Write } from './writer/writer.ts';

/** A machine's local copy of what a bus says. */
export interface Replica extends ReplicaReader, FollowedReplica {
  /** Whether this process may advance the replica; one process at a time does. */
  readonly advancing: boolean;
  /** A damaged or foreign file that was put out of the way when this process began to advance. */
  readonly setAside: string | undefined;
  /**
   * Why this process could not write the replica when it last tried to, `CERTBUS_REPLICA_FAILED`: a full or read-only disk, a folder
   * without access. What is there is served all the same. `undefined` where nothing is wrong.
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
  /** Whom it is for: a client's keeps what is served, a manager's everything. Default `manager`. */
  readonly role?: ReplicaRole;
}

const FILE_WAIT_MS = 5_000;

/** The methods of a reader, each looked up at its call: the database behind may change. */
function delegate(current: () => ReplicaReader): ReplicaReader {
  return {
    checkpoint: () => current().checkpoint(),
    bus: () => current().bus(),
    isComplete: () => current().isComplete(),
    isSettled: () => current().isSettled(),
    certificate: (certificateId) => current().certificate(certificateId),
    lookup: (serverName) => current().lookup(serverName),
    isNamed: (name) => current().isNamed(name),
    isShared: (name) => current().isShared(name),
    sharedNames: (after, limit) => current().sharedNames(after, limit),
    certificates: () => current().certificates(),
    idsByNameSet: (key) => current().idsByNameSet(key),
    due: (at) => current().due(at),
    paused: (range) => current().paused(range),
    leavesAfter: (position, limit) => current().leavesAfter(position, limit),
    leavesUpTo: (position, limit) => current().leavesUpTo(position, limit),
    countServed: () => current().countServed(),
    countEnding: (at) => current().countEnding(at),
    nextEnd: (at) => current().nextEnd(at),
    issuer: (hash) => current().issuer(hash),
    changedSince: (position, limit) => current().changedSince(position, limit),
    rootEvents: () => current().rootEvents(),
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
    database.exec('COMMIT');
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
    ...createLocalReplica(database, { role, write }),
    advancing: true,
    setAside: undefined,
    problem: undefined,
    unthreaded: undefined,
    tryAdvance: async () => true,
    settle: async () => void (await write({ kind: 'settle' })),
    hold() {
      // Nobody else writes here, and a memory has no second connection.
      const [checkpoint, bus, records] = [reader.checkpoint(), reader.bus(), [...reader.records()]];
      return { ...reader, checkpoint: () => checkpoint, bus: () => bus, records: () => records, close() {} };
    },
    snapshot: (read) => inTransaction(database, () => read(reader)),
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
    changes = Number(selectChanges.get()?.['changes']);
    following = readFollowing();
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

/** The file for reading; opened again when the process that advances has put another in its place. */
function openFile(path: string, busId: string) {
  let database = openToRead(path, busId);
  let reader = createReader(database);
  let counters = createCounters(database);
  let inode = statSync(path).ino;
  let reopened = 0;

  function use(next: DatabaseSync): void {
    database = next;
    reader = createReader(next);
    counters = createCounters(next);
    inode = statSync(path).ino;
    reopened += 1;
  }

  function version(): number {
    if (existsSync(path) && statSync(path).ino !== inode) {
      const next = openToRead(path, busId);
      database.close();
      use(next);
    }
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
      if (isWritable(path)) {
        database.close();
        use(openToRead(path, busId));
      } else if (hasLog(path)) {
        // Another process writes it: what was opened as a file that never changes is one no longer.
        const next = openToRead(path, busId);
        database.close();
        use(next);
      }
    },
    close: () => database.close(),
    hold() {
      const held = openToRead(path, busId);
      // The first read makes the picture that the transaction keeps.
      held.exec('BEGIN');
      const heldReader = createReader(held);
      heldReader.checkpoint();
      return { ...heldReader, close: () => held.close() };
    },
    version,
    whenWritten: (before: number, wait: WriteWait) => whenWritten(path, () => version() !== before, wait),
    following: () => counters.following(),
  };
}

/** The right to advance, as this process holds it. */
interface Advance {
  readonly advancing: boolean;
  readonly setAside: string | undefined;
  readonly problem: ReplicaError | undefined;
}

/** Asks the thread for the right to advance; that it cannot write is an answer, that the replica is another bus's is not. */
async function askToAdvance(thread: WriterThread): Promise<Advance> {
  try {
    return { ...(await thread.advance()), problem: undefined };
  } catch (error) {
    if (!(error instanceof ReplicaError) || error.code !== 'CERTBUS_REPLICA_FAILED') throw error;
    return { advancing: false, setAside: undefined, problem: error };
  }
}

/**
 * Opens a replica, and makes it where there is none. The right to advance is taken where it is free; then a damaged or foreign
 * file is set aside and another one begun. Otherwise the file is read, and {@link Replica.version} shows what the process that advances it has
 * written. A replica that cannot be written is read as it is, see {@link Replica.problem}.
 *
 * Rejects `CERTBUS_REPLICA_FILE_OPEN` where others can write the file or its folder, `CERTBUS_REPLICA_OTHER_BUS`,
 * `CERTBUS_REPLICA_NOT_READY` or, where there is nothing to read either, `CERTBUS_REPLICA_FAILED`.
 */
export async function openReplica({ path, busId, role = 'manager' }: ReplicaOptions): Promise<Replica> {
  if (path === ':memory:') return openInMemory(busId, role);
  makeFolder(path);
  const thread = await startWriterThread({ path, busId, role });
  try {
    const first = await askToAdvance(thread);
    if (first.problem && !existsSync(path)) throw first.problem;
    if (!first.advancing) await waitForFile(path);
    const openVault: Replica['openVault'] = (owner) =>
      openKeyVault({ ...owner, path: `${path}.keys`, replica: path, busId }, thread.startKeeper);
    return replicaOf({ file: openFile(path, busId), thread, role, openVault }, first);
  } catch (error) {
    await thread.close();
    throw error;
  }
}

/** What a replica in a file is made of. */
interface FileReplica extends Pick<Replica, 'openVault'> {
  readonly file: ReturnType<typeof openFile>;
  readonly thread: WriterThread;
  readonly role: ReplicaRole;
}

function replicaOf({ file, thread, role, openVault }: FileReplica, first: Advance): Replica {
  let state = first;
  let isClosed = false;
  const current = () => {
    if (isClosed) throw closed();
    return file.reader();
  };
  const write = async (wanted: Write): Promise<readonly Change[]> => {
    if (!state.advancing) throw new ReplicaError('CERTBUS_REPLICA_READ_ONLY', 'Another process advances this replica.');
    return thread.write(wanted);
  };
  return {
    ...delegate(current),
    get advancing() {
      return state.advancing;
    },
    get setAside() {
      return state.setAside;
    },
    get problem() {
      return state.problem;
    },
    unthreaded: thread.unthreaded,
    async tryAdvance() {
      if (state.advancing) return true;
      if (state.problem) file.refresh();
      state = await askToAdvance(thread);
      if (state.problem) throw state.problem;
      return state.advancing;
    },
    ...(thread.follow ? { follow: thread.follow } : {}),
    // Each call is durable: what the thread keeps in an open transaction could not be read from here.
    apply: (commits, checkpoint) => write({ kind: 'apply', commits, checkpoint }),
    async build(beginning) {
      await write({ kind: 'build', state: beginning });
      return createBuilding({ role, write });
    },
    complete: async () => void (await write({ kind: 'complete' })),
    settle: async () => void (await write({ kind: 'settle' })),
    hold: () => file.hold(),
    snapshot: (read) => inTransaction(file.database(), () => read(current())),
    openVault,
    version() {
      current();
      return file.version();
    },
    following() {
      current();
      return file.following();
    },
    whenWritten: (version, wait) => file.whenWritten(version, wait),
    note: async (note) => void (await write({ kind: 'note', note })),
    async close() {
      if (isClosed) return;
      isClosed = true;
      // The writer closes last, and takes the write-ahead log into the file: so that it can be read where nothing can be written.
      file.close();
      await thread.close();
    },
  };
}
