import { connectSqlite, type SqliteConnection } from './connection.ts';
import { changedMeanwhile, isRefused } from './errors.ts';
import { stateOf, unlessChanged } from './state.ts';

/** A bus file for as long as a log has it open, through one connection after another where that is needed. */
export interface SqliteFile {
  /** Which file it is: that of every connection. */
  readonly file: string | undefined;
  /** The connection of this moment, to write on. */
  connection(): SqliteConnection;
  /** Runs a query on the file as it is now; throws what {@link isBusy} says can be tried again. */
  read<T>(query: (connection: SqliteConnection) => T): T;
  /** Differs after any write by another connection. */
  version(): number;
  close(): void;
}

/** Opens a bus file, as {@link connectSqlite} does. */
export function openSqliteFile(path: string, { create }: { readonly create: boolean }): SqliteFile {
  let connection = connectSqlite(path, { create });
  let opened = 1;
  let version = 0;
  let seen = '';

  function reopen(): void {
    const next = connectSqlite(path, { create: false });
    if (next.file !== connection.file) {
      next.database.close();
      throw changedMeanwhile();
    }
    connection.database.close();
    connection = next;
    opened += 1;
  }

  function readNow<T>(query: (connection: SqliteConnection) => T): T {
    if (connection.shows === undefined) return query(connection);
    const state = stateOf(path);
    if (connection.shows !== state) reopen();
    if (connection.shows === undefined) return query(connection);
    const result = unlessChanged(path, state, () => query(connection));
    if (stateOf(path) !== state) throw changedMeanwhile();
    return result;
  }

  return {
    file: connection.file,
    connection: () => connection,
    read(query) {
      try {
        return readNow(query);
      } catch (error) {
        if (connection.shows !== undefined || !isRefused(error)) throw error;
        // Somebody changed the journal mode, and a user who may only read has to come in another way.
        reopen();
        return readNow(query);
      }
    },
    version() {
      const { shows, dataVersion } = connection;
      const now = shows === undefined ? `${opened}:${dataVersion.get()?.['data_version']}` : stateOf(path);
      if (now !== seen) version += 1;
      seen = now;
      return version;
    },
    close: () => connection.database.close(),
  };
}
