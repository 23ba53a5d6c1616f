/** A folder in memory for what a run of tests writes: a bus flushes every commit, for which a disk takes milliseconds. */
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { unmountBelow } from './disks.ts';

/** Where Linux has a file system in memory. */
const IN_MEMORY = '/dev/shm';
/** A container may have 64 MB there, which packages that tests install would fill. */
const ENOUGH_BYTES = 2_000_000_000;

function hasRoom(): boolean {
  if (!existsSync(IN_MEMORY)) return false;
  const { bavail, bsize } = statfsSync(IN_MEMORY);
  return bavail * bsize >= ENOUGH_BYTES;
}

/** Removes what runs left that were killed: it would take memory until the machine starts again. What another run is removing is left to it. */
function removeLeftovers(): void {
  for (const name of readdirSync(IN_MEMORY)) {
    const [, pid] = /^certbus-tests-(\d+)-/.exec(name) ?? [];
    if (!pid || existsSync(`/proc/${pid}`)) continue;
    try {
      unmountBelow(`${IN_MEMORY}/${name}`);
      rmSync(`${IN_MEMORY}/${name}`, { recursive: true, force: true });
    } catch {
      // No reason not to test.
    }
  }
}

/**
 * Makes the temporary folder of this process and of all that it starts one in memory, and returns what removes it. It stays on the
 * disk where the machine lacks the room, or where `TMPDIR` says where it is.
 */
export function useMemoryFolder(): () => void {
  if (process.env['TMPDIR'] || !hasRoom()) return () => {};
  removeLeftovers();
  const folder = mkdtempSync(`${IN_MEMORY}/certbus-tests-${process.pid}-`);
  // As open as /tmp: tests act as other users in it.
  chmodSync(folder, 0o1777);
  process.env['TMPDIR'] = folder;
  return () => {
    delete process.env['TMPDIR'];
    rmSync(folder, { recursive: true, force: true });
  };
}
