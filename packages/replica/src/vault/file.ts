/** A vault's file: made, opened, read, written. */
import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { createOpener, type Recipient, seal } from '@certbus/events';
import { checkSchema, type DatabaseSync, fileProblemOf, isWalSafe, openGuarded } from '@certbus/store/sqlite-files';
import { idOfFile, setAside } from '../writer/file.ts';

const OPENING_WAIT_MS = 500;
/** Afterwards: who waits here holds up a thread that has more to do, and what is busy is tried again. */
const WRITING_WAIT_MS = 50;
const LOG_BYTES = 1_048_576;
const LOG_PAGES = 100;
const KEY_BYTES = 32;
/** A copy that was not written for so long was left by a process that was killed. */
const ABANDONED_MS = 3_600_000;
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS vault (id INTEGER PRIMARY KEY CHECK (id = 1), sealed_key TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS keys (
    certificate_id TEXT NOT NULL, leaf_hash TEXT NOT NULL, sealed BLOB NOT NULL, UNIQUE (certificate_id, leaf_hash)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS recent (rank INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;`;

/** What is to be written into a vault. */
export type VaultNote =
  | { readonly kind: 'opened'; readonly certificateId: string; readonly leafHash: string; readonly sealed: Uint8Array }
  /** Of this certificate only the keys of these leaves are needed from now on. */
  | { readonly kind: 'needed'; readonly certificateId: string; readonly leafHashes: readonly string[] }
  | { readonly kind: 'recent'; readonly names: readonly string[] };

/** Which key a vault has. */
export interface KeptLeaf {
  readonly certificateId: string;
  readonly leafHash: string;
}

const isNew = (database: DatabaseSync): boolean =>
  database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;

/** Makes the tables, and chooses the journal for the life of the file: a process that has it open would follow a later change. */
function makeTables(path: string): void {
  if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
  const database = openGuarded(path, { timeout: OPENING_WAIT_MS });
  try {
    if (!isNew(database)) return;
    // Kept until this connection is closed: no other process finds the file half made, or makes it in another way.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT');
    if (!isNew(database)) return;
    if (isWalSafe(database)) database.exec('PRAGMA journal_mode = WAL');
    database.exec(`BEGIN; ${SCHEMA} COMMIT`);
  } finally {
    database.close();
  }
}

/** A Node with a newer SQLite made the file. This one may write it only as long as no other process follows it in WAL mode. */
function leaveWal(database: DatabaseSync): void {
  try {
    database.exec('PRAGMA journal_mode = DELETE');
  } catch (cause) {
    const { node, sqlite } = process.versions;
    const what = `a process with a newer Node has it open, and the SQLite ${sqlite} in this Node ${node} can lose what that one writes; use Node 22.23 or 24.15, or later`;
    throw new Error(what, { cause });
  }
}

function openDatabase(path: string): DatabaseSync {
  makeTables(path);
  const database = openGuarded(path, { timeout: OPENING_WAIT_MS });
  try {
    checkSchema(database, SCHEMA);
    if (!isWalSafe(database)) leaveWal(database);
    // What is lost with the machine is opened again.
    database.exec(
      `PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON; PRAGMA journal_size_limit = ${LOG_BYTES}; PRAGMA wal_autocheckpoint = ${LOG_PAGES}`,
    );
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** What the names of unfinished copies of a vault begin with. */
const copiesOf = (path: string): string => `${path}.new-`;

/** Removes copies, and what belongs to them, that nobody makes any more. */
function removeAbandoned(path: string): void {
  const [folder, marked] = [dirname(path), basename(copiesOf(path))];
  for (const name of readdirSync(folder).filter((each) => each.startsWith(marked))) {
    const copy = join(folder, name);
    const stats = statSync(copy, { throwIfNoEntry: false });
    if (stats && stats.mtimeMs < Date.now() - ABANDONED_MS) rmSync(copy, { force: true });
  }
}

/** Opens a vault to write. A damaged one loses nothing that the bus does not have: it is set aside, and keys are opened again. */
export function openVaultToWrite(path: string): DatabaseSync {
  try {
    removeAbandoned(path);
  } catch {
    // They take room, and nothing else: the next start removes them.
  }
  try {
    return openDatabase(path);
  } catch (error) {
    if (fileProblemOf(error, path) !== 'damaged') throw error;
    setAside(path);
    return openDatabase(path);
  }
}

const modeOf = (database: DatabaseSync): unknown => database.prepare('PRAGMA journal_mode').get()?.['journal_mode'];

/** A vault's own key, as an age file. */
export const sealedKeyIn = (database: DatabaseSync): unknown =>
  database.prepare('SELECT sealed_key FROM vault').get()?.['sealed_key'];

/** Puts a vault that `fill` makes in a file of another name where one has to be, in the journal of the one that is open. */
function putBack(open: DatabaseSync, path: string, fill: (unfinished: string) => void): void {
  const unfinished = `${copiesOf(path)}${randomUUID()}`;
  try {
    closeSync(openSync(unfinished, 'wx', 0o600));
    fill(unfinished);
    const copy = openGuarded(unfinished, { timeout: OPENING_WAIT_MS });
    // A Node that must not use such a log may be among those that have it open.
    if (modeOf(open) === 'wal') copy.exec('PRAGMA journal_mode = WAL');
    copy.close();
    if (existsSync(path)) setAside(path);
    // They belong to what has no name.
    for (const companion of ['-wal', '-shm', '-journal']) rmSync(path + companion, { force: true });
    renameSync(unfinished, path);
  } finally {
    rmSync(unfinished, { force: true });
  }
}

/** A vault that is open, and its own key as it lies in it. */
export interface OpenVault {
  readonly database: DatabaseSync;
  readonly sealedKey: unknown;
}

/** Opens the vault that is at a path now; `undefined` where it has another key than the one that was open. */
function openSame(sealedKey: unknown, path: string): DatabaseSync | undefined {
  const database = openDatabase(path);
  if (sealedKeyIn(database) === sealedKey) return database;
  database.close();
  return undefined;
}

/**
 * Opens a vault whose file somebody removed: what is written to the one that is open is lost with this process. It is made again of that one, where no
 * other process has done so. `undefined` where another vault is there now. Throws what the disk says.
 */
export function openVaultAgain({ database, sealedKey }: OpenVault, path: string): DatabaseSync | undefined {
  if (!existsSync(path)) putBack(database, path, (copy) => database.prepare('VACUUM INTO ?').run(copy));
  return openSame(sealedKey, path);
}

/**
 * Puts an empty vault with the same key in the place of a damaged one that is open, and opens it: what it held is opened again from the bus. The damaged
 * one is set aside. `undefined` where another vault is there now. Throws what the disk says.
 */
export function replaceVault({ database: open, sealedKey }: OpenVault, path: string): DatabaseSync | undefined {
  putBack(open, path, (unfinished) => {
    const database = openGuarded(unfinished);
    database.exec(`BEGIN; ${SCHEMA} COMMIT`);
    database.prepare('INSERT INTO vault (id, sealed_key) VALUES (1, ?)').run(String(sealedKey));
    database.close();
  });
  return openSame(sealedKey, path);
}

/** This vault's own key, which lies in it as an age file for this server's identity. */
export async function vaultKey(
  database: DatabaseSync,
  { identity, recipient }: { readonly identity: string; readonly recipient: Recipient },
): Promise<Uint8Array> {
  const read = () => sealedKeyIn(database);
  const stored = read();
  const { open } = createOpener(identity);
  const opened = typeof stored === 'string' ? await open(stored).catch(() => undefined) : undefined;
  if (opened) return Buffer.from(opened, 'base64');
  const key = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  const sealed = await seal(Buffer.from(key).toString('base64'), [recipient]);
  database.exec('BEGIN IMMEDIATE');
  const isFirst = read() === stored;
  if (isFirst) {
    // What another identity's key had sealed is of no use to this one.
    database.exec('DELETE FROM keys; DELETE FROM vault');
    database.prepare('INSERT INTO vault (id, sealed_key) VALUES (1, ?)').run(sealed);
  }
  database.exec('COMMIT');
  // Another process of this machine began the vault at the same moment: its key counts.
  return isFirst ? key : vaultKey(database, { identity, recipient });
}

/** Makes what writes notes into a vault, all of them in one transaction. Throws what SQLite does; then nothing was written. */
export function createNoteWriter(database: DatabaseSync): (notes: readonly VaultNote[]) => void {
  // What is there already was not found, or did not open, when the key was wanted: a bit of it can have flipped.
  const insert = database.prepare(
    'INSERT INTO keys (certificate_id, leaf_hash, sealed) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET sealed = excluded.sealed',
  );
  const remove = database.prepare(
    'DELETE FROM keys WHERE certificate_id = ? AND leaf_hash NOT IN (SELECT value FROM json_each(?))',
  );
  const removeNames = database.prepare('DELETE FROM recent');
  const insertName = database.prepare('INSERT INTO recent (rank, name) VALUES (?, ?)');
  database.exec(`PRAGMA busy_timeout = ${WRITING_WAIT_MS}`);

  /** Returns how many keys were removed. */
  function write(note: VaultNote): number {
    switch (note.kind) {
      case 'opened':
        insert.run(note.certificateId, note.leafHash, note.sealed);
        return 0;
      case 'needed':
        return Number(remove.run(note.certificateId, JSON.stringify(note.leafHashes)).changes);
      case 'recent':
        removeNames.run();
        for (const [rank, name] of note.names.entries()) insertName.run(rank, name);
        return 0;
    }
  }

  return (notes) => {
    database.exec('BEGIN IMMEDIATE');
    try {
      let removed = 0;
      for (const note of notes) removed += write(note);
      database.exec('COMMIT');
      // Out of the write-ahead log as well; where others are at work in it, with a later checkpoint.
      if (removed > 0) database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  };
}

/** Makes what reads which keys a vault has, page by page, in an order that other writes do not change. */
export function createPageReader(
  database: DatabaseSync,
): (after: KeptLeaf | undefined, limit: number) => readonly KeptLeaf[] {
  const select = database.prepare(
    'SELECT certificate_id, leaf_hash FROM keys WHERE (certificate_id, leaf_hash) > (?, ?) ORDER BY certificate_id, leaf_hash LIMIT ?',
  );
  return (after, limit) =>
    select.all(after?.certificateId ?? '', after?.leafHash ?? '', limit).map((row) => ({
      certificateId: String(row['certificate_id']),
      leafHash: String(row['leaf_hash']),
    }));
}

/** What a handshake reads in a vault. */
export interface VaultReader {
  /** A key as it is sealed for this machine; `undefined` where it is not there, or cannot be read at this moment. */
  sealed(certificateId: string, leafHash: string): Uint8Array | undefined;
  recentNames(): readonly string[];
  close(): void;
}

function openReading(path: string) {
  const database = openGuarded(path, { readOnly: true, timeout: 0 });
  try {
    return {
      database,
      file: idOfFile(path),
      select: database.prepare('SELECT sealed FROM keys WHERE certificate_id = ? AND leaf_hash = ?'),
      selectNames: database.prepare('SELECT name FROM recent ORDER BY rank'),
    };
  } catch (error) {
    // It is tried again at each key that is not found there.
    database.close();
    throw error;
  }
}

/** Opens a vault to read. Nothing is waited for: what cannot be read at once is opened from the bus's own text. */
export function openVaultToRead(path: string): VaultReader {
  let open = openReading(path);
  const find = (certificateId: string, leafHash: string) =>
    open.select.get(certificateId, leafHash)?.['sealed'] as Uint8Array | undefined;

  /** Opens a file that was made again; returns whether it was. */
  function lookAgain(): boolean {
    const file = idOfFile(path);
    if (file === undefined || file === open.file) return false;
    const before = open;
    open = openReading(path);
    before.database.close();
    return true;
  }

  /** `undefined` as well where another process writes it, without a write-ahead log; or where the disk fails. */
  function attempt<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch {
      return undefined;
    }
  }

  return {
    sealed(certificateId, leafHash) {
      const sealed = attempt(() => find(certificateId, leafHash));
      return sealed === undefined && attempt(lookAgain) ? attempt(() => find(certificateId, leafHash)) : sealed;
    },
    recentNames() {
      try {
        return open.selectNames.all().map((row) => String(row['name']));
      } catch {
        // They only save time after a restart.
        return [];
      }
    },
    close: () => open.database.close(),
  };
}
