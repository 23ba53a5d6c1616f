/** Programs of this repository that tests run as another user, who may be kept out of the folder that it is in. */
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDERS = ['apps', 'node_modules', 'packages', 'services'] as const;
/** Where every user finds them: mounted in a name space of its own, where no other program sees it. */
const PLACE = '/mnt';
const NODE = join(PLACE, 'node');

/** The same file for a user of {@link asUser}: of this repository, or this Node. Any other is where it is. */
export function reachable(path: string): string {
  if (path === process.execPath) return NODE;
  const inside = relative(ROOT, path);
  return FOLDERS.some((each) => inside === each || inside.startsWith(`${each}/`)) ? join(PLACE, inside) : path;
}

/** A shell's line that puts this repository and this Node where {@link reachable} has them. It is for a name space of its own. */
export const SHOW_REPOSITORY: string = [
  // The folder itself may be closed to others, those in it are not; below it they are found although the place can be above it.
  `cd '${ROOT}'`,
  `exec 9< '${process.execPath}'`,
  `mount -t tmpfs -o mode=755 tmpfs ${PLACE}`,
  ...FOLDERS.map((each) => `mkdir ${join(PLACE, each)} && mount --bind ${each} ${join(PLACE, each)}`),
  `touch ${NODE} && mount --bind /proc/self/fd/9 ${NODE} && exec 9<&-`,
].join(' && ');

/** The command and its arguments by which root, on Linux, runs a program as a user without a name and a group; the paths among them are {@link reachable}. */
export function asUser(uid: number, words: readonly string[]): readonly [command: string, ...args: string[]] {
  const script = `${SHOW_REPOSITORY} && cd / && exec setpriv --reuid ${uid} --regid ${uid} --clear-groups "$@"`;
  return ['unshare', '--mount', 'sh', '-c', script, 'sh', ...words.map(reachable)];
}
