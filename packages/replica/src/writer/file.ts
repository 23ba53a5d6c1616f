/** The replica's file: made, opened, replaced, locked. */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  checkSchema,
  DatabaseSync,
  describeFileProblem,
  fileProblemOf,
  lockFile,
  makeFolders,
  openGuarded,
} from '@certbus/store/sqlite-files';
import { CHECKED_BUS, checkedBus, damaged, damageOf, isDamage } from '../checking/digest.ts';
import { isLogWhole, PAGE_BYTES } from '../checking/raw-file.ts';
import { otherBus, type Salvage, salvage } from '../checking/salvage.ts';
import { ReplicaError } from '../errors.ts';
import { describeExposure, examineState } from '../private-file.ts';
import type { ReplicaFile } from './replica-file.ts';
import { APPLICATION_ID, LASTING_TABLES, originalOf, SCHEMA, SCHEMA_VERSION } from './schema.ts';
import { createTables } from './tables.ts';

const LOCK_WAIT_MS = 5_000;

function pragma(database: DatabaseSync, name: string): unknown {
  return Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
}

/** Throws for a file that holds anything which a replica does not, since a view, for one, could run without end, and for one that lacks a table. */
function checkTables(database: DatabaseSync): void {
  checkSchema(database, SCHEMA, { isPartial: true, original: originalOf });
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  const there = new Set(tables.map(({ name }) => name));
  const missing = LASTING_TABLES.find((table) => !there.has(table));
  // A page of the schema can have lost one of its entries.
  if (missing !== undefined) throw damaged(`its table ${missing} is gone`);
}

/** Where a file's header says by which version of the format it is written and read. */
const FORMAT_VERSIONS = [18, 19];

/** Whether SQLite knows the format of a file: one of a later format is to SQLite what a file on a read-only disk is. */
function isOfKnownFormat(path: string): boolean {
  const header = Buffer.alloc(100);
  // What is put there may be a pipe, which nobody writes to.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    readSync(file, header, 0, header.length, 0);
  } finally {
    closeSync(file);
  }
  return FORMAT_VERSIONS.every((at) => header[at] === 1 || header[at] === 2);
}

/**
 * Whether a file can be opened as a replica of this release and bus, and its log be read as it was written. Its rows are checked when they
 * are read, and in the background. Throws `CERTBUS_REPLICA_OTHER_BUS`, and what says nothing of the file itself, such as a full disk: a good
 * replica is never replaced for it.
 */
function isReadable(path: string, busId: string): boolean {
  try {
    if (!isLogWhole(path) || !isOfKnownFormat(path)) return false;
    const database = openGuarded(path, { timeout: LOCK_WAIT_MS });
    try {
      const isOurs =
        pragma(database, 'application_id') === APPLICATION_ID && pragma(database, 'user_version') === SCHEMA_VERSION;
      if (!isOurs) return false;
      checkTables(database);
      checkBus(database, path, busId);
      return true;
    } finally {
      database.close();
    }
  } catch (error) {
    if (isDamage(error) || fileProblemOf(error, path) === 'damaged') return false;
    throw error;
  }
}

/** Moves a file out of the way, in the place of one that was moved there before. Returns where it is now. */
export function setAside(path: string): string {
  const [folder, marked] = [dirname(path), `${basename(path)}.damaged-`];
  for (const name of readdirSync(folder)) if (name.startsWith(marked)) rmSync(join(folder, name));
  const aside = `${path}.damaged-${Date.now()}`;
  renameSync(path, aside);
  for (const companion of ['-wal', '-shm', '-journal']) rmSync(path + companion, { force: true });
  return aside;
}

/** Makes an empty file under another name, so that nobody ever reads a file without tables. */
function openUnfinished(path: string): { readonly unfinished: string; readonly database: DatabaseSync } {
  const unfinished = `${path}.new`;
  for (const companion of ['', '-journal']) rmSync(unfinished + companion, { force: true });
  closeSync(openSync(unfinished, 'wx', 0o600));
  const database = new DatabaseSync(unfinished);
  // A state is three kilobytes. Renewals change one here and one there, and every page goes into the journal and the file as a whole.
  database.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA journal_mode = OFF`);
  return { unfinished, database };
}

function createFile(path: string, busId: string): void {
  const { unfinished, database } = openUnfinished(path);
  createTables(database, busId);
  database.close();
  renameSync(unfinished, path);
}

/** A damaged or foreign file that another took the place of. */
export interface Replaced {
  /** Where it is now. The one that was put there before is gone. */
  readonly aside: string;
  /** What was read of it; `undefined` where it was not a replica of this release at all. */
  readonly salvage: Salvage | undefined;
}

/**
 * Puts a new file in the place of a damaged one, with all that can still be read of it. Only while nothing of this process writes it. Throws
 * what the disk says, and `CERTBUS_REPLICA_OTHER_BUS`; the damaged file stays then.
 */
export function replaceFile({ path, busId, role }: ReplicaFile): Replaced {
  const { unfinished, database } = openUnfinished(path);
  try {
    const found = salvage(database, { path, busId, role });
    if (!found) createTables(database, busId);
    database.close();
    const aside = setAside(path);
    renameSync(unfinished, path);
    return { aside, salvage: found };
  } catch (error) {
    if (database.isOpen) database.close();
    rmSync(unfinished, { force: true });
    throw error;
  }
}

/** Which file is at a path, whatever it is called; `undefined` where there is none. */
export function idOfFile(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stats && `${stats.dev}:${stats.ino}`;
}

/**
 * Makes a replica's file again that somebody removed or replaced, of the one that is open and has no name any more. Returns where that is now what
 * was put in its place, if anything was.
 */
export function makeAgain(database: DatabaseSync, path: string): string | undefined {
  const unfinished = `${path}.new`;
  rmSync(unfinished, { force: true });
  closeSync(openSync(unfinished, 'wx', 0o600));
  database.prepare('VACUUM INTO ?').run(unfinished);
  const aside = existsSync(path) ? setAside(path) : undefined;
  for (const companion of ['-wal', '-shm']) rmSync(path + companion, { force: true });
  renameSync(unfinished, path);
  return aside;
}

/**
 * Opens a replica's file to write, as its one writer. One that is damaged or foreign is replaced by what can be read of it. Throws
 * `CERTBUS_REPLICA_OTHER_BUS` for the replica of another bus.
 */
export function openToWrite(
  { path, busId, role }: ReplicaFile,
  holder: string,
): { database: DatabaseSync; replaced: Replaced | undefined } {
  const replaced = existsSync(path) && !isReadable(path, busId) ? replaceFile({ path, busId, role }) : undefined;
  if (!existsSync(path)) createFile(path, busId);
  const database = openGuarded(path, { timeout: LOCK_WAIT_MS });
  try {
    // What is lost with the machine is read from the bus again.
    database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON; PRAGMA cache_size = -65536',
    );
    database.prepare('UPDATE bus SET holder = ?').run(holder);
    return { database, replaced };
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Opens a replica's file that another process may be writing, or that nobody can write. Throws `CERTBUS_REPLICA_OTHER_BUS` or
 * `CERTBUS_REPLICA_FAILED`.
 */
export function openToRead(path: string, busId: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = openReadOnly(path);
    checkBus(database, path, busId);
    return database;
  } catch (cause) {
    database?.close();
    if (cause instanceof ReplicaError) throw cause;
    const why = describeFileProblem(cause, path);
    if (isDamage(cause)) throw damaged(`${path} cannot be read: ${why}`, cause);
    throw new ReplicaError('CERTBUS_REPLICA_FAILED', `The replica ${path} cannot be read: ${why}.`, { cause });
  }
}

/** What a replica that is salvaged into memory has at most: about 80,000 certificates. */
const MOST_IN_MEMORY_BYTES = 256 * 2 ** 20;

/**
 * Opens a replica's file to serve from it, as {@link openToRead} does. One that is damaged as a whole, and that this process may not replace or has
 * no room to, is served from what can be read of it, in memory, where it is not too large. `isAlone`: no other process writes it.
 */
export function openToServe(
  { path, busId, role }: ReplicaFile,
  { isAlone }: { readonly isAlone: boolean },
): { readonly database: DatabaseSync; readonly damage: ReplicaError | undefined } {
  try {
    if (isAlone && !isLogWhole(path)) throw damaged(`the log of ${path} does not fit its checksums`);
    return { database: openToRead(path, busId), damage: undefined };
  } catch (error) {
    if (!isDamage(error) || statSync(path).size > MOST_IN_MEMORY_BYTES) throw error;
    const database = new DatabaseSync(':memory:');
    if (salvage(database, { path, busId, role })) return { database, damage: damageOf(error) };
    database.close();
    throw error;
  }
}

/**
 * Reading a file in WAL mode makes two files beside it. Where they cannot be made, and the last writer left nothing in them, the file
 * is read as one that never changes.
 */
function openReadOnly(path: string): DatabaseSync {
  const options = { readOnly: true, timeout: LOCK_WAIT_MS };
  const database = openGuarded(path, options);
  try {
    checkTables(database);
    database.prepare('SELECT bus_id FROM bus').get();
    return database;
  } catch (error) {
    database.close();
    const problem = fileProblemOf(error, path);
    if (problem === undefined || problem === 'damaged' || problem === 'busy' || hasLog(path)) throw error;
    const url = pathToFileURL(path);
    url.search = '?immutable=1';
    const unchanging = openGuarded(url, options);
    checkTables(unchanging);
    return unchanging;
  }
}

/** Whether there is something in the write-ahead log of a file. */
export function hasLog(path: string): boolean {
  return existsSync(`${path}-wal`) && statSync(`${path}-wal`).size > 0;
}

/** Throws `CERTBUS_REPLICA_OTHER_BUS`, or `CERTBUS_REPLICA_DAMAGED` where the row that says which bus it is of is damaged. */
function checkBus(database: DatabaseSync, path: string, busId: string): void {
  const row = database.prepare(`SELECT ${CHECKED_BUS} FROM bus`).get();
  checkedBus(row);
  if (row?.['bus_id'] !== busId) throw otherBus(path);
}

/** Whether a replica's file and its folder can be written. */
export function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    accessSync(dirname(path), constants.W_OK);
    return true;
  } catch {
    // Whatever the reason is, the writing thread meets it as well, and reports it.
    return false;
  }
}

/** Refuses a file or folder of a replica that others could have written. Throws `CERTBUS_REPLICA_FILE_OPEN`. */
function checkOwn(path: string): void {
  const exposure = examineState(path);
  if (!exposure) return;
  throw new ReplicaError('CERTBUS_REPLICA_FILE_OPEN', `The replica cannot be trusted: ${describeExposure(exposure)}`);
}

/**
 * Makes the folder of a replica, for this user only. Throws `CERTBUS_REPLICA_FAILED`, or `CERTBUS_REPLICA_FILE_OPEN` where others can
 * write it or the replica.
 */
export function makeFolder(path: string): void {
  try {
    makeFolders(dirname(path), { mode: 0o700 });
  } catch (cause) {
    const why = describeFileProblem(cause, path);
    const what = `The folder of the replica ${path} cannot be made: ${why}. Set CERTBUS_STATE_DIR to a folder that this user can write.`;
    throw new ReplicaError('CERTBUS_REPLICA_FAILED', what, { cause });
  }
  for (const each of [dirname(path), path, `${path}-wal`, `${path}-shm`, `${path}.lock`]) checkOwn(each);
}

/**
 * Takes the right to write a replica: an exclusive lock on a file beside it, which the kernel releases the moment this
 * process ends, however it ends. `undefined` while another holds it. Throws what says that nobody can take it here, such as a full or
 * read-only disk.
 */
export function takeLock(path: string): Disposable | undefined {
  return lockFile(`${path}.lock`, { isOwn: true });
}
