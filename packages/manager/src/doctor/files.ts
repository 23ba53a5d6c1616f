/** Who else can read or change the files of this machine that a manager depends on. */
import { existsSync } from 'node:fs';
import { describeExposure, examineFile } from '@certbus/replica';
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

/** Looks at owners and modes of this machine's files: what is refused, and what is accepted and still worth knowing. */
export function examineFiles({ files, stateDirectory }: LocalFiles): readonly Finding[] {
  const there = files.filter(({ path }) => existsSync(path));
  const findings = [...there.flatMap(examineOne), ...examineStateDirectory(stateDirectory)];
  if (findings.length > 0) return findings;
  const { good } = findingsOn('files', 'owners and modes');
  return [
    good(`nobody else can change the ${there.length} files of this machine that are used here, or read their keys`),
  ];
}
