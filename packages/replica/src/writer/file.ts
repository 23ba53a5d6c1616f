/** The replica's file: made, opened, checked, locked. */
import { closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ReplicaError } from '../errors.ts';
import { APPLICATION_ID, SCHEMA_VERSION } from './schema.ts';
import { createTables } from './tables.ts';

const LOCK_WAIT_MS = 5_000;

function pragma(database: DatabaseSync, name: string): unknown {
  return Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
}

/** Whether a file holds a sound replica of this release, of whatever bus. */
function isReplica(path: string): boolean {
  try {
    const database = new DatabaseSync(path, { timeout: LOCK_WAIT_MS });
    try {
      const isOurs =
        pragma(database, 'application_id') === APPLICATION_ID && pragma(database, 'user_version') === SCHEMA_VERSION;
      return isOurs && pragma(database, 'quick_check(1)') === 'ok';
    } finally {
      database.close();
    }
  } catch {
    return false;
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
  rmSync(unfinished, { force: true });
  closeSync(openSync(unfinished, 'wx', 0o600));
  const database = new DatabaseSync(unfinished);
  // A state is three kilobytes: a page of four would hold one, and every page costs as much again in the journal.
  database.exec('PRAGMA page_size = 16384; PRAGMA journal_mode = DELETE');
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
  const database = new DatabaseSync(path, { timeout: LOCK_WAIT_MS });
  checkBus(database, path, busId);
  // What is lost with the machine is read from the bus again.
  database.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON; PRAGMA cache_size = -65536',
  );
  database.prepare('UPDATE bus SET holder = ?').run(holder);
  return { database, setAside: aside };
}

/** Opens a replica's file that another process may be writing. Throws `CERTBUS_REPLICA_OTHER_BUS`. */
export function openToRead(path: string, busId: string): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly: true, timeout: LOCK_WAIT_MS });
  checkBus(database, path, busId);
  return database;
}

function checkBus(database: DatabaseSync, path: string, busId: string): void {
  const found = database.prepare('SELECT bus_id FROM bus').get()?.['bus_id'];
  if (found === busId) return;
  database.close();
  throw new ReplicaError(
    'CERTBUS_REPLICA_OTHER_BUS',
    `The replica ${path} belongs to another bus than the trust line names. Is bus.pub that of this bus? If the bus was made anew, remove the file.`,
  );
}

/** Makes the folder of a replica, for this user only. */
export function makeFolder(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
}

/**
 * Takes the right to write a replica: an exclusive lock on a file beside it, which the kernel releases the moment this
 * process ends, however it ends. `undefined` while another holds it.
 */
export function takeLock(path: string): DatabaseSync | undefined {
  const lock = `${path}.lock`;
  if (!existsSync(lock)) closeSync(openSync(lock, 'a', 0o600));
  const database = new DatabaseSync(lock, { timeout: 0 });
  try {
    database.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE');
    return database;
  } catch {
    database.close();
    return undefined;
  }
}
