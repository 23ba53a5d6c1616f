/** Certificates that were put and not seen at a target yet: they are looked at also by an agent that is started in between. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/** Ids of such certificates. */
export interface Unseen {
  /** All of them, those that another process of the same target left among them. */
  ids(): Set<string>;
  /** Replaces them. Before a certificate is put it is among them, so that a kill in between does not lose it. */
  keep(ids: ReadonlySet<string>): void;
}

function idsIn(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').filter(Boolean);
  } catch {
    return [];
  }
}

/** Keeps them in a file, an id a line, which is there while there are any; in memory as well, for a disk that is full. Default: in memory alone. */
export function openUnseen(file?: string): Unseen {
  let kept: ReadonlySet<string> = new Set();

  function write(path: string, text: string): void {
    try {
      if (text === '') rmSync(path, { force: true });
      else {
        // A kill or a full disk in the middle leaves what was noted before.
        writeFileSync(`${path}.new`, text, { mode: 0o600 });
        renameSync(`${path}.new`, path);
      }
    } catch {
      // What is kept in memory is looked at all the same, unless this process ends before.
    }
  }

  return {
    ids: () => new Set([...kept, ...(file === undefined ? [] : idsIn(file))]),
    keep(ids) {
      kept = new Set(ids);
      if (file !== undefined) write(file, [...ids].map((id) => `${id}\n`).join(''));
    },
  };
}
