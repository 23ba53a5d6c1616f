/** What goes wrong with a load balancer's disk: no room, no writing, and bytes that are not what was written. */
import { closeSync, openSync, readdirSync, readSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { mountDisk } from 'certbus-services';
import { expect, onTestFinished } from 'vitest';

/** A disk, and what is wrong with it. */
export interface FaultyDisk {
  readonly path: string;
  readonly isReadOnly: boolean;
  /** Whether it can be written and has room. */
  readonly isGood: boolean;
  /** Fills it, or makes room again. */
  toggleRoom(): void;
  /** Mounts it read-only, while nobody has a file open to write; or again for writing. */
  toggleMode(): void;
}

const MEGABYTES = 8;

/** Mounts one; it ends with the test. */
export function createFaultyDisk(path: string): FaultyDisk {
  const disk = mountDisk(path, { megabytes: MEGABYTES });
  onTestFinished(() => disk.remove());
  const filler = join(path, 'filler');
  let [isFull, isReadOnly] = [false, false];
  return {
    path,
    get isReadOnly() {
      return isReadOnly;
    },
    get isGood() {
      return !isFull && !isReadOnly;
    },
    toggleRoom() {
      // What is read-only can be neither filled nor emptied.
      if (isReadOnly) return;
      if (isFull) rmSync(filler);
      else expect(() => writeFileSync(filler, Buffer.alloc(2 * MEGABYTES * 2 ** 20))).toThrow(/ENOSPC/);
      isFull = !isFull;
    },
    toggleMode() {
      disk.remount(isReadOnly ? 'rw' : 'ro');
      isReadOnly = !isReadOnly;
    },
  };
}

/** Flips a bit of what a load balancer has written in its state folder; chance says which. */
export function flipBit(folder: string, chance: number): void {
  const [path = ''] = readdirSync(folder)
    .filter((name) => /\.(db|keys)(-wal)?$/.test(name))
    .map((name) => join(folder, name))
    .filter((each) => statSync(each).size > 0)
    .sort()
    .slice(chance % 2);
  const at = chance % statSync(path).size;
  const file = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, at);
  byte.writeUInt8(byte.readUInt8() ^ (1 << (chance % 8)));
  writeSync(file, byte, 0, 1, at);
  closeSync(file);
}
