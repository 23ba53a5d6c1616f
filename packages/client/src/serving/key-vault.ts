/** Private keys of one replica, opened once and sealed again for this machine. */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { closeSync, existsSync, openSync, renameSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { createOpener, type IssuedCertificate, open, type Recipient, seal } from '@certbus/events';
import { describeExposure, examineState } from '@certbus/replica';
import { checkSchema, describeFileProblem, fileProblemOf, openGuarded } from '@certbus/store/sqlite-files';

/** Private keys, opened once and kept sealed for this machine, so that a later opening takes microseconds. */
export interface KeyVault {
  /** Why opened keys are kept in memory alone; `undefined` where nothing is wrong. */
  readonly problem?: string;
  /** PKCS#8 PEM of the certificate's key. Rejects with an `EventsError` when it does not open or does not match. */
  privateKey(certificateId: string, issued: IssuedCertificate): Promise<string>;
  /** Forgets the keys of a certificate. */
  forget(certificateId: string): void;
  /** Server names that were in use, to be warmed after a restart. */
  recentNames(): string[];
  keepRecentNames(names: readonly string[]): void;
  close(): void;
}

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS vault (id INTEGER PRIMARY KEY CHECK (id = 1), sealed_key TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS keys (
    certificate_id TEXT NOT NULL, leaf_hash TEXT NOT NULL, sealed BLOB NOT NULL, UNIQUE (certificate_id, leaf_hash)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS recent (rank INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;`;

function openDatabase(path: string): DatabaseSync {
  if (path !== ':memory:' && !existsSync(path)) closeSync(openSync(path, 'a', 0o600));
  const database = openGuarded(path, { timeout: 2_000 });
  try {
    checkSchema(database, SCHEMA, { isPartial: true });
    database.exec(`PRAGMA secure_delete = ON; ${SCHEMA}`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** A damaged vault loses nothing that the bus does not have: it is set aside, and keys are opened again. */
function openOrReplace(path: string): DatabaseSync {
  try {
    return openDatabase(path);
  } catch (error) {
    if (path === ':memory:' || fileProblemOf(error, path) !== 'damaged') throw error;
    renameSync(path, `${path}.damaged-${Date.now()}`);
    return openDatabase(path);
  }
}

/** This vault's key, which lies in it as an age file for this server's identity. */
async function vaultKey(
  database: DatabaseSync,
  { identity, recipient }: { identity: string; recipient: Recipient },
): Promise<KeyObject> {
  const read = () => database.prepare('SELECT sealed_key FROM vault').get()?.['sealed_key'];
  const stored = read();
  const opened = typeof stored === 'string' ? await open(stored, identity).catch(() => undefined) : undefined;
  if (opened) return createSecretKey(Buffer.from(opened, 'base64'));
  const key = Buffer.from(crypto.getRandomValues(new Uint8Array(32)));
  const sealed = await seal(key.toString('base64'), [recipient]);
  database.exec('BEGIN IMMEDIATE');
  const isFirst = read() === stored;
  if (isFirst) {
    // What another identity's key had sealed is of no use to this one.
    database.exec('DELETE FROM keys; DELETE FROM vault');
    database.prepare('INSERT INTO vault (id, sealed_key) VALUES (1, ?)').run(sealed);
  }
  database.exec('COMMIT');
  // Another process of this machine began the vault at the same moment: its key counts.
  return isFirst ? createSecretKey(key) : vaultKey(database, { identity, recipient });
}

/** What a sealed key is bound to, each part with its length before it. */
function associatedData(...parts: readonly string[]): Buffer {
  const bytes = ['certbus/replica/v1', ...parts].map((part) => Buffer.from(part));
  return Buffer.concat(
    bytes.flatMap((part) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(part.length);
      return [length, part];
    }),
  );
}

function sealLocally(key: KeyObject, bound: Buffer, text: string): Buffer {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(bound);
  return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}

function openLocally(key: KeyObject, bound: Buffer, sealed: Uint8Array): string | undefined {
  try {
    const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE_BYTES)).setAAD(bound);
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    return decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
  } catch {
    // Damaged, or moved from another entry: the age file on the bus is opened instead.
    return undefined;
  }
}

/** Where a vault is, and whose keys it keeps. */
export interface KeyVaultOptions {
  /** The file, or `:memory:` for a vault that ends with the process. */
  readonly path: string;
  readonly busId: string;
  readonly identity: string;
  readonly recipient: string;
}

/** Opens the vault next to a replica. Where its file cannot be used, keys are kept until the process ends, see {@link KeyVault.problem}. */
export async function openKeyVault(options: KeyVaultOptions): Promise<KeyVault> {
  const { path } = options;
  const inMemory = async (why: string) => {
    const problem = `The private keys that this server opens cannot be kept in ${path}, so that it opens them again after a restart: ${why}`;
    return { ...(await openVault({ ...options, path: ':memory:' })), problem };
  };
  // Others could have put a key there that they know, and would then read what is kept under it.
  const exposure = path === ':memory:' ? undefined : examineState(path);
  if (exposure) return inMemory(describeExposure(exposure));
  try {
    return await openVault(options);
  } catch (error) {
    if (path === ':memory:' || fileProblemOf(error, path) === undefined) throw error;
    return inMemory(`${describeFileProblem(error, path)}.`);
  }
}

async function openVault({ path, busId, identity, recipient }: KeyVaultOptions): Promise<KeyVault> {
  const database = openOrReplace(path);
  const key = await vaultKey(database, { identity, recipient: { name: 'this server', recipient } });
  const select = database.prepare('SELECT sealed FROM keys WHERE certificate_id = ? AND leaf_hash = ?');
  const insert = database.prepare(
    'INSERT INTO keys (certificate_id, leaf_hash, sealed) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const remove = database.prepare('DELETE FROM keys WHERE certificate_id = ?');
  const { openPrivateKey } = createOpener(identity);
  let isClosed = false;

  /** Writes outside the handshake that needed the key; a vault that cannot be written only costs time. */
  function later(write: () => void): void {
    setImmediate(() => {
      if (isClosed) return;
      try {
        write();
      } catch {
        // Busy or full: the next opening tries again.
      }
    });
  }

  return {
    async privateKey(certificateId, { leafHash, sealedKey, leaf }) {
      const bound = associatedData(busId, certificateId, leafHash);
      const sealed = select.get(certificateId, leafHash)?.['sealed'] as Uint8Array | undefined;
      const kept = sealed && openLocally(key, bound, sealed);
      if (kept) return kept;
      const opened = await openPrivateKey(sealedKey, Buffer.from(leaf, 'base64'));
      later(() => insert.run(certificateId, leafHash, sealLocally(key, bound, opened)));
      return opened;
    },
    forget: (certificateId) => later(() => remove.run(certificateId)),
    recentNames: () =>
      database
        .prepare('SELECT name FROM recent ORDER BY rank')
        .all()
        .map((row) => String(row['name'])),
    keepRecentNames(names) {
      try {
        database.exec('BEGIN IMMEDIATE; DELETE FROM recent');
        const keep = database.prepare('INSERT INTO recent (rank, name) VALUES (?, ?)');
        for (const [rank, name] of names.entries()) keep.run(rank, name);
        database.exec('COMMIT');
      } catch {
        // Busy with another process's names, or full: they only save time after a restart.
        if (database.isTransaction) database.exec('ROLLBACK');
      }
    },
    close() {
      isClosed = true;
      database.close();
    },
  };
}
