/**
 * What CertBus needs of Node that an older one lacks. Importing it by name would end the program there with a message about a module, before
 * anything of CertBus could say what is wrong.
 */
import type * as Sqlite from 'node:sqlite';
import zlib from 'node:zlib';
import { StoreError } from './errors.ts';

const sqlite = process.getBuiltinModule?.('node:sqlite');
if (!sqlite || !zlib.zstdCompress) {
  const what = `CertBus needs Node 22.15 or later, for its SQLite and zstd; this is Node ${process.versions.node}. Install a newer one from your system or nodejs.org.`;
  throw new StoreError('CERTBUS_STORE_NODE_TOO_OLD', what);
}

/** `DatabaseSync` of `node:sqlite`. */
export const DatabaseSync: typeof Sqlite.DatabaseSync = sqlite.DatabaseSync;
/** An open database. */
export type DatabaseSync = Sqlite.DatabaseSync;

/** zstd of `node:zlib`. */
export const zstd: Pick<
  typeof zlib,
  'zstdCompress' | 'zstdDecompress' | 'zstdCompressSync' | 'zstdDecompressSync' | 'constants'
> = zlib;
