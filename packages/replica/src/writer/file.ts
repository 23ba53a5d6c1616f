/** The replica's file: made, opened, checked, locked. */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  checkSchema,
  DatabaseSync,
  describeFileProblem,
  fileProblemOf,
  lockFile,
  openGuarded,
} from '@certbus/store/sqlite-files';
import { ReplicaError } from '../errors.ts';
import { describeExposure, examineState } from '../private-file.ts';
import { APPLICATION_ID, originalOf, SCHEMA, SCHEMA_VERSION } from './schema.ts';
import { createTables } from './tables.ts';

const LOCK_WAIT_MS = 5_000;

function pragma(database: DatabaseSync, name: string): unknown {
  return Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
}

/** Throws for a file that holds anything which a replica does not: a view, for one, could run without end. */
function checkTables(database: DatabaseSync): void {
  checkSchema(database, SCHEMA, { isPartial: true, original: originalOf });
}

/**
 * Whether a file holds a sound replica of this release, of whatever bus. Throws what says nothing of the file itself, such as a full
 * disk: a good replica is never set aside for it.
 */
function isReplica(path: string): boolean {
  try {
    const database = openGuarded(path, { timeout: LOCK_WAIT_MS });
    try {
      const isOurs =
        pragma(database, 'application_id') === APPLICATION_ID && pragma(database, 'user_version') === SCHEMA_VERSION;
      if (!isOurs) return false;
      checkTables(database);
      return pragma(database, 'quick_check(1)') === 'ok';
    } finally {
      database.close();
    }
  } catch (error) {
    if (fileProblemOf(error, path) === 'damaged') return false;
    throw error;
  }
}

function setAside(path: string): string {
  const aside = `${path}.damaged-${Date.now()}`;
  renameSync(path, aside);
  for (const companion of ['-wal', '-shm']) rmSync(path + companion, { force: true });
  return aside;
}

function createFile(path: string, busId: string): void {
  // Made under another name, so that nobody ever reads a file without tables.
  const unfinished = `${path}.new`;
  for (const companion of ['', '-journal']) rmSync(unfinished + companion, { force: true });
  closeSync(openSync(unfinished, 'wx', 0o600));
  const database = new DatabaseSync(unfinished);
  // A state is three kilobytes. Renewals change one here and one there, and every page goes into the journal and the file as a whole.
  database.exec('PRAGMA page_size = 4096; PRAGMA journal_mode = DELETE');
  createTables(database, busId);
  database.close();
  renameSync(unfinished, path);
}

/**
 * Opens a replica's file to write, as its one writer. A damaged or foreign file is set aside and a new one begun; its new
 * name is returned. Throws `CERTBUS_REPLICA_OTHER_BUS` for the replica of another bus.
 */
export function openToWrite(
  path: string,
  busId: string,
  holder: string,
): { database: DatabaseSync; setAside: string | undefined } {
  const aside = existsSync(path) && !isReplica(path) ? setAside(path) : undefined;
  if (!existsSync(path)) createFile(path, busId);
  const database = openGuarded(path, { timeout: LOCK_WAIT_MS });
  try {
    checkBus(database, path, busId);
    // What is lost with the machine is read from the bus again.
    database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON; PRAGMA cache_size = -65536',
    );
    database.prepare('UPDATE bus SET holder = ?').run(holder);
    return { database, setAside: aside };
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
    throw new ReplicaError('CERTBUS_REPLICA_FAILED', `The replica ${path} cannot be read: ${why}.`, { cause });
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

function checkBus(database: DatabaseSync, path: string, busId: string): void {
  const found = database.prepare('SELECT bus_id FROM bus').get()?.['bus_id'];
  if (found === busId) return;
  throw new ReplicaError(
    'CERTBUS_REPLICA_OTHER_BUS',
    `The replica ${path} belongs to another bus than the trust file names. Is bus.pub that of this bus? If the bus was made again, remove the file.`,
  );
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
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
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
  return lockFile(`${path}.lock`);
}
