import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { installPackages } from 'certbus-services';

/** The version of emmett-sqlite that is measured, as `services/locks/emmett` pins it. */
export const EMMETT_VERSION = '0.42.4';
// There are the versions that work together: with sqlite3 6 its transactions fail, and the emmett that it asks for, 0.42.4, cannot be had.

interface Connection {
  query(sql: string): Promise<unknown>;
  close(): void;
}

interface EventStore {
  appendToStream(
    stream: string,
    events: readonly { readonly type: string; readonly data: unknown }[],
    options: { readonly expectedStreamVersion: bigint },
  ): Promise<{ readonly nextExpectedStreamVersion: bigint }>;
}

interface EmmettSqlite {
  sqliteConnection(options: { readonly fileName: string }): Connection;
  getSQLiteEventStore(options: {
    readonly fileName: string;
    readonly connectionOptions: { readonly singleton: true; readonly connection: Connection };
  }): EventStore;
}

/** The store of emmett in a file of its own. */
export interface EmmettStore {
  /** Appends one event behind `after`, which is checked; returns its version. */
  append(after: bigint, text: string): Promise<bigint>;
  close(): Promise<void>;
}

/**
 * Opens emmett's store on one connection for all appends: by default it opens one for each, which is slower by far and fails now and
 * then. It lives in the user's cache: its SQLite is compiled where it is installed, which nobody should have to wait for who only
 * wants to work on this repository.
 */
export async function openEmmettStore(fileName: string): Promise<EmmettStore> {
  const modules = await installPackages('emmett', { scripts: true });
  const entry = join(modules, '@event-driven-io/emmett-sqlite/dist/index.js');
  const { sqliteConnection, getSQLiteEventStore } = (await import(pathToFileURL(entry).href)) as EmmettSqlite;
  const connection = sqliteConnection({ fileName });
  // The connection is still changing its journal mode, which a transaction must not meet.
  await connection.query('SELECT 1');
  const store = getSQLiteEventStore({ fileName, connectionOptions: { singleton: true, connection } });
  return {
    async append(after, text) {
      const events = [{ type: 'CommitWritten', data: { text } }];
      const { nextExpectedStreamVersion } = await store.appendToStream('s', events, { expectedStreamVersion: after });
      return nextExpectedStreamVersion;
    },
    async close() {
      connection.close();
    },
  };
}
