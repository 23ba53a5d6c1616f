/** Whether several processes may write a file in WAL mode: SQLite's WAL-reset race loses commits where it is not fixed. */
import type { DatabaseSync } from 'node:sqlite';

/** Whether a SQLite version has the fix of the WAL-reset race: 3.51.3 or later, 3.50.7 or later in 3.50, 3.44.6 or later in 3.44. */
export function hasWalResetFix(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  if (major !== 3) return major > 3;
  if (minor === 50) return patch >= 7;
  if (minor === 44) return patch >= 6;
  return minor > 51 || (minor === 51 && patch >= 3);
}

/** The version of the linked SQLite. */
export function sqliteVersion(database: DatabaseSync): string {
  return String(database.prepare('SELECT sqlite_version() AS version').get()?.['version']);
}

/** Whether the linked SQLite has the fix. */
export const isWalSafe = (database: DatabaseSync): boolean => hasWalResetFix(sqliteVersion(database));
