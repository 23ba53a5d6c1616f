import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** The vault of opened keys in a client's state folder, from outside. */
export interface VaultFile {
  count(): number;
  /** Forgets all keys, so that each is opened as for the first time. */
  empty(): void;
}

/** Finds the vault below a state folder in which a client has been started. */
export function vaultIn(folder: string): VaultFile {
  const name = readdirSync(folder, { recursive: true, encoding: 'utf8' }).find((each) => each.endsWith('.keys'));
  if (name === undefined) throw new TypeError('no client was started in this folder');
  const ask = <T>(query: (database: DatabaseSync) => T): T => {
    using database = new DatabaseSync(join(folder, name), { timeout: 10_000 });
    return query(database);
  };
  return {
    count: () => ask((database) => Number(database.prepare('SELECT count(*) AS n FROM keys').get()?.['n'])),
    empty: () => ask((database) => database.exec('DELETE FROM keys')),
  };
}
