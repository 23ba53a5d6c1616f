/** Who besides this process's user can read or write a file: the one place of all checks of owners and modes. */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';

/** How a file is open to others: by itself, or by a link or a folder on the way to it. */
export interface Exposure {
  readonly path: string;
  /** Follows the path in a sentence, such as `can be read by others (mode 0644)`. */
  readonly what: string;
  /** A whole sentence. */
  readonly advice: string;
}

/** What a look at a file found. */
export interface FileExamination {
  /** The first exposure, from the root folder down to the file, that nothing excuses. */
  readonly refused: Exposure | undefined;
  /** What is accepted only because its mount is read-only, so that nobody can change it from here. */
  readonly accepted: readonly Exposure[];
}

interface Node {
  readonly path: string;
  readonly stats: Stats;
}

/** Who this process is. */
interface User {
  readonly uid: number;
  readonly groups: ReadonlySet<number>;
}

const ROOT = 0;
/** As Linux. */
const MAX_LINKS = 40;
/** `O_PATH` of Linux, which Node does not name: opens what may not be read, just to ask about it. */
const O_PATH = 0o10000000;
/** `S_ISVTX` of POSIX, which Node does not name either. */
const STICKY = 0o1000;

/** `undefined` on Windows, where access is not a matter of modes. */
function thisUser(): User | undefined {
  const uid = process.geteuid?.();
  if (uid === undefined) return undefined;
  return { uid, groups: new Set([process.getegid?.() ?? uid, ...(process.getgroups?.() ?? [])]) };
}

/** Every folder and link that the system passes on its way to a file, from the root down, and the file. Throws as `lstat` does. */
function nodesOf(path: string): readonly Node[] {
  // Not `resolve`: it takes `link/..` for the folder of the link.
  const absolute = isAbsolute(path) ? path : `${process.cwd()}/${path}`;
  const nodes: Node[] = [{ path: '/', stats: lstatSync('/') }];
  const rest = absolute.split('/');
  let folder = '/';
  let links = 0;
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === '' || name === '.') continue;
    if (name === '..') {
      folder = dirname(folder);
      continue;
    }
    const here = join(folder, name);
    // A file that this process was started with, as by `<(…)` of a shell: its link leads to no path.
    if (folder === `/proc/${process.pid}/fd`) return [...nodes, { path: here, stats: statSync(here) }];
    const stats = lstatSync(here);
    nodes.push({ path: here, stats });
    if (!stats.isSymbolicLink()) {
      folder = here;
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) throw new Error(`${path} has more than ${MAX_LINKS} symbolic links`);
    const target = readlinkSync(here);
    if (isAbsolute(target)) folder = '/';
    rest.unshift(...target.split('/'));
  }
  return nodes;
}

/** Records of `/etc/passwd` or `/etc/group`, by their fields. */
const records = (file: string): readonly (readonly string[])[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.split(':'));

/** Whether nobody but this user and root is in a group. Where that cannot be read, or nobody is known to be in it, it is not so. */
function isOwnGroup(gid: number, { uid }: User): boolean {
  // Who is in a group of macOS is not in these files.
  if (process.platform === 'darwin') return false;
  try {
    const users = records('/etc/passwd').map(([name, , id, group]) => ({ name, uid: Number(id), gid: Number(group) }));
    const groups = records('/etc/group');
    // Such an entry stands for those of a directory service.
    if ([...users.map(({ name }) => name), ...groups.map(([name]) => name)].some((name) => name?.startsWith('+')))
      return false;
    const names = groups.filter(([, , id]) => id === String(gid)).flatMap(([, , , list]) => list?.split(',') ?? []);
    const added = names.filter(Boolean).map((name) => users.find((user) => user.name === name));
    const members = [...users.filter((user) => user.gid === gid), ...added].map((user) => user?.uid);
    return members.length > 0 && members.every((member) => member === uid || member === ROOT);
  } catch {
    return false;
  }
}

/** `undefined` where the system does not say: it is not Linux, or `/proc` is away. */
function readOnlyByMountTable(path: string): boolean | undefined {
  try {
    const file = openSync(path, O_PATH | constants.O_NOFOLLOW);
    try {
      const [, id] = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${file}`, 'utf8')) ?? [];
      const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
      const mount = mounts.find((line) => line.startsWith(`${id} `));
      if (id === undefined || mount === undefined) return undefined;
      // proc_pid_mountinfo(5): options of the mount are the sixth field, those of its file system the last.
      const fields = mount.split(' ');
      return [fields[5], fields.at(-1)].some((options) => options?.split(',').includes('ro'));
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined;
  }
}

/** Whether what is at a path is on a mount that nobody can write to from here. */
function isOnReadOnlyMount(path: string): boolean {
  const known = process.platform === 'linux' ? readOnlyByMountTable(path) : undefined;
  if (known !== undefined) return known;
  try {
    accessSync(path, constants.W_OK);
    return false;
  } catch (error) {
    // Without the mount table this is sure for root only: for others the mode may be looked at first.
    return error instanceof Error && 'code' in error && error.code === 'EROFS';
  }
}

const modeOf = ({ mode }: Stats): string => `mode ${(mode & 0o7777).toString(8).padStart(4, '0')}`;

/** What is wrong with a node's owner, who can always change its mode. */
function ownedByOther({ path, stats: { uid } }: Node, user: User): Exposure | undefined {
  if (uid === ROOT || uid === user.uid) return undefined;
  const expected = user.uid === ROOT ? 'not root' : `neither root nor the user ${user.uid} that runs this`;
  const what = `belongs to user ${uid}, who is ${expected}`;
  const advice = `Give it to that user or to root, such as with "chown ${user.uid} ${path}", or use a copy elsewhere.`;
  return { path, what, advice };
}

/** What is wrong with a secret's mode. To a file that root owns a group of this process has access, as in PostgreSQL. */
function openToReaders({ path, stats }: Node, user: User): Exposure | undefined {
  const { uid, gid, mode } = stats;
  const isRoots = uid === ROOT && user.uid !== ROOT;
  const excess = mode & 0o777 & ~(isRoots && user.groups.has(gid) ? 0o740 : 0o700);
  if (excess === 0) return undefined;
  const who = (excess & 0o007) === 0 ? `group ${gid}` : 'others';
  // Root made it for another user, and does not run what needs it.
  const isOfGroup = user.uid === ROOT && uid === ROOT && gid !== ROOT && excess === 0o040;
  if (isOfGroup) {
    const advice =
      'Run this as the user of that group for whom it is, or take the access of the group away if it is for root.';
    return { path, what: `can be read by group ${gid} (${modeOf(stats)}), and this is root`, advice };
  }
  const advice = isRoots
    ? `Let only a group of this process read it, as root: "chgrp GROUP ${path} && chmod 640 ${path}".`
    : `Make it yours alone with "chmod 600 ${path}".`;
  return { path, what: `can be ${(excess & 0o044) === 0 ? 'used' : 'read'} by ${who} (${modeOf(stats)})`, advice };
}

/** Who else can write by the mode of a file or folder; `undefined` where nobody can. */
function otherWriters({ gid, mode }: Stats, user: User): string | undefined {
  if ((mode & 0o002) !== 0) return 'others';
  return (mode & 0o020) === 0 || isOwnGroup(gid, user) ? undefined : `group ${gid}`;
}

/** What is wrong with a node's mode where it is not a secret's. */
function openToWriters({ path, stats }: Node, user: User): Exposure | undefined {
  // In a folder with the sticky bit only the owner of a file, or of the folder, can put another in its place.
  if (stats.isSymbolicLink() || (stats.isDirectory() && (stats.mode & STICKY) !== 0)) return undefined;
  const who = otherWriters(stats, user);
  if (who === undefined) return undefined;
  return {
    path,
    what: `can be written by ${who} (${modeOf(stats)})`,
    advice: `Change that with "chmod go-w ${path}".`,
  };
}

/** How nodes are judged. */
interface ExamineOptions {
  readonly isSecret: boolean;
  readonly user?: User | undefined;
  /** Real path of a folder that others may write to. */
  readonly shared?: string | undefined;
}

/** Judges nodes from the root folder down, for the user who uses the file; the last is the file. */
function examine(nodes: readonly Node[], { isSecret, user = thisUser(), shared }: ExamineOptions): FileExamination {
  const accepted: Exposure[] = [];
  if (!user) return { refused: undefined, accepted };
  for (const [index, node] of nodes.entries()) {
    const judgeMode = isSecret && index === nodes.length - 1 ? openToReaders : openToWriters;
    const exposure = ownedByOther(node, user) ?? (node.path === shared ? undefined : judgeMode(node, user));
    if (!exposure) continue;
    if (!isOnReadOnlyMount(node.path)) return { refused: exposure, accepted };
    accepted.push(exposure);
  }
  return { refused: undefined, accepted };
}

/**
 * Looks at a file, at each folder above it and at each symbolic link on the way: all of them belong to root or to this user, and nobody
 * else can write to them, unless a folder has the sticky bit, or the group has no other member. A secret that belongs to this user is
 * for this user only (0600 or stricter); one that root owns can be for a group of this process (0640). A read-only mount excuses
 * everything, since its modes cannot be changed: Kubernetes, Docker and systemd mount secrets so. Throws as `lstat` does.
 *
 * @param options.shared a folder on the way that others may write to, since the operator trusts them: a volume of a pod.
 */
export function examineFile(
  path: string,
  { isSecret = false, shared }: { readonly isSecret?: boolean; readonly shared?: string | undefined } = {},
): FileExamination {
  if (!thisUser()) return { refused: undefined, accepted: [] };
  return examine(nodesOf(path), { isSecret, shared: shared === undefined ? undefined : realpathSync(shared) });
}

/**
 * Looks at a file or folder that root obeys, such as a script, also where another user runs this: it and everything on the way to it belong to root, and nobody else can
 * write to them. Throws as `lstat` does.
 */
export function examineRootFile(path: string): FileExamination {
  const user: User = { uid: ROOT, groups: new Set([ROOT]) };
  return thisUser() ? examine(nodesOf(path), { isSecret: false, user }) : { refused: undefined, accepted: [] };
}

/** Looks at a file or folder of this program's state, without the folders above it. `undefined` where it is good, or not there. */
export function examineState(path: string): Exposure | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (!stats) return undefined;
  const target = stats.isSymbolicLink() ? statSync(path, { throwIfNoEntry: false }) : undefined;
  return examine([{ path, stats }, ...(target ? [{ path, stats: target }] : [])], { isSecret: false }).refused;
}

/**
 * The folder for this program's files in a state directory: the directory itself where nobody but this user and root can write to it,
 * as one that is made here, else `certbus-UID` in it. The state directory of a Kubernetes pod (emptyDir) has mode 0777.
 */
export function ownFolder(stateDirectory: string): string {
  const user = thisUser();
  const stats = statSync(stateDirectory, { throwIfNoEntry: false });
  if (!user || !stats) return stateDirectory;
  // The sticky bit does not help here: others could take the names of files first.
  if (!ownedByOther({ path: stateDirectory, stats }, user) && !otherWriters(stats, user)) return stateDirectory;
  const own = join(stateDirectory, `certbus-${user.uid}`);
  // No folder can be made on a read-only mount, and there what is in the directory itself cannot be changed either.
  return existsSync(own) || !isOnReadOnlyMount(stateDirectory) ? own : stateDirectory;
}

/** An exposure as sentences. */
export const describeExposure = ({ path, what, advice }: Exposure): string => `${path} ${what}. ${advice}`;
