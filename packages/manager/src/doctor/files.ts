/** Who else can read or change the files of this machine that a manager depends on. */
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describeExposure, examineFile, ownFolder } from '@certbus/replica';
import { makeFolders } from '@certbus/store/sqlite-files';
import { type Finding, findingsOn, reasonFor } from './finding.ts';

/** A file that the program around a manager reads. */
export interface LocalFile {
  /** What it is, such as `The root key`. */
  readonly what: string;
  readonly path: string;
  readonly isSecret: boolean;
}

/** What a manager depends on in the file system of its machine. */
export interface LocalFiles {
  /** Those that are not there are passed over: a root key is kept offline. */
  readonly files: readonly LocalFile[];
  /** As it is named; what is kept there can be in a folder of this user's own in it. */
  readonly stateDirectory: string;
}

function examineOne({ what, path, isSecret }: LocalFile): readonly Finding[] {
  const { failed, warning } = findingsOn('files', path);
  try {
    const { refused, accepted } = examineFile(path, { isSecret });
    if (refused) return [failed(`${what.toLowerCase()} is refused: ${refused.path} ${refused.what}`, refused.advice)];
    return accepted.map((exposure) => {
      const detail = `${exposure.path} ${exposure.what}; this is accepted, since its mount is read-only`;
      return warning(
        detail,
        'Where the mount has options for owner and mode, let only the user that runs this read it.',
      );
    });
  } catch (error) {
    return [failed(`${what.toLowerCase()} cannot be looked at: ${reasonFor(error)}`, 'Look at its path and owner.')];
  }
}

function examineStateDirectory(path: string): readonly Finding[] {
  const { warning } = findingsOn('files', path);
  if (!existsSync(path)) return [];
  const { refused } = examineFile(path);
  if (!refused) return [];
  const detail = `the state directory is open to others: ${describeExposure(refused)}`;
  return [warning(detail, 'Replicas are in a folder that is for this user only, but others can remove or rename it.')];
}

/** More than the smallest replica takes at once. */
const WRITTEN_BYTES = 65_536;

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'Make room on that disk.',
  EDQUOT: 'Make room on that disk, or raise the quota of this user.',
  EROFS: 'Mount it for writing, or name another with CERTBUS_STATE_DIR.',
  EACCES: 'Let this user write there, or name another with CERTBUS_STATE_DIR.',
  EPERM: 'Let this user write there, or name another with CERTBUS_STATE_DIR.',
};

/** The names of files that show whether a folder can be written, and when one was left by a doctor that was killed. */
const WRITTEN = /^doctor-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const LEFTOVER_MS = 3_600_000;

function removeLeftovers(folder: string): void {
  for (const name of readdirSync(folder).filter((each) => WRITTEN.test(each))) {
    const path = join(folder, name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats && Date.now() - stats.mtimeMs > LEFTOVER_MS) rmSync(path, { force: true });
  }
}

/** Writes a file, flushes it to the disk, and takes it away again. Throws what the system says. */
function writeAndFlush(folder: string): void {
  makeFolders(folder, { mode: 0o700 });
  removeLeftovers(folder);
  const path = join(folder, `doctor-${randomUUID()}`);
  const file = openSync(path, 'wx', 0o600);
  try {
    writeFileSync(file, Buffer.alloc(WRITTEN_BYTES));
    fsyncSync(file);
  } finally {
    closeSync(file);
    rmSync(path, { force: true });
  }
}

/** Less than this, and a replica that is built again, next to the one that is served, may not fit. */
const ROOM_BYTES = 100_000_000;

/** Whether replicas can be written where they are kept, and have room there. */
function examineDisk(stateDirectory: string): readonly Finding[] {
  const { failed, warning } = findingsOn('files', stateDirectory);
  try {
    const folder = ownFolder(stateDirectory);
    writeAndFlush(folder);
    const { bavail, bsize } = statfsSync(folder);
    const free = bavail * bsize;
    if (free >= ROOM_BYTES) return [];
    return [warning(`the state directory has ${Math.floor(free / 1_000_000)} MB left`, 'Make room on that disk.')];
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const advice = ADVICE[code] ?? 'Look at the disk and at the system log.';
    return [failed(`the state directory cannot be written: ${reasonFor(error)}`, advice)];
  }
}

/**
 * Looks at owners and modes of this machine's files: what is refused, and what is accepted and still worth knowing. Tries whether the state
 * directory can be written.
 */
export function examineFiles({ files, stateDirectory }: LocalFiles): readonly Finding[] {
  const there = files.filter(({ path }) => existsSync(path));
  const state = [...examineStateDirectory(stateDirectory), ...examineDisk(stateDirectory)];
  const findings = [...there.flatMap(examineOne), ...state];
  if (findings.length > 0) return findings;
  const { good } = findingsOn('files', 'owners and modes');
  return [
    good(`nobody else can change the ${there.length} files of this machine that are used here, or read their keys`),
  ];
}
