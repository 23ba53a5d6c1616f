/** What is downloaded for tests, pinned by hash in `services/locks`, and the check of it before any of it is run. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const LOCKS = fileURLToPath(new URL('../locks', import.meta.url));

/** What pins one part: the files of a folder. */
export interface Lock {
  readonly folder: string;
  /** Name in the cache, another one for each state of these files, so that nothing older is taken for what they pin. */
  readonly cacheName: string;
}

/** The lock of a part: a folder of `services/locks`, or any other one. */
export function lockOf(nameOrFolder: string): Lock {
  const folder = nameOrFolder.includes('/') ? nameOrFolder : join(LOCKS, nameOrFolder);
  const hash = createHash('sha256');
  for (const file of readdirSync(folder).sort()) hash.update(`${file}\0`).update(readFileSync(join(folder, file)));
  return { folder, cacheName: `${basename(folder)}-${hash.digest('hex').slice(0, 12)}` };
}

/** Reads a list as sha256sum writes it: hash, two spaces, file name. */
function readHashes(list: string): ReadonlyMap<string, string> {
  const lines = readFileSync(list, 'utf8').trim().split('\n');
  return new Map(lines.map((line) => [line.slice(66), line.slice(0, 64)]));
}

/** Throws unless each of these files of a folder has the SHA-256 that a list pins. */
export function checkHashes(folder: string, files: readonly string[], list: string): void {
  const hashes = readHashes(list);
  for (const file of files) {
    const actual = createHash('sha256')
      .update(readFileSync(join(folder, file)))
      .digest('hex');
    const expected = hashes.get(file) ?? 'none';
    if (actual === expected) continue;
    throw new Error(`${file} was downloaded with the SHA-256 ${actual}, and ${basename(list)} of services/locks pins ${expected}.
It was removed, and nothing of it was run. Try again; if the hash stays, find out who changed the file before you change the list.`);
  }
}
