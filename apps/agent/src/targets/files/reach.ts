/** Whether the members of a group get to files that they can read: a folder on the way can be closed to them. */
import { realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { nearest } from './own-place.ts';

const ENTER = 0o1;
const ENTER_AS_GROUP = 0o10;

/** Folders from the root folder down to one. */
const wayTo = (folder: string): string[] =>
  dirname(folder) === folder ? [folder] : [...wayTo(dirname(folder)), folder];

/**
 * Says which folder the members of a group cannot enter, of those that are there on the way to a target's files; `undefined` where they get to them. A
 * folder that somebody gave to another group stays as it is. Throws as `stat` does.
 *
 * @param group as the configuration has it.
 */
export function closedTo(folder: string, { gid, group }: { readonly gid: number; readonly group: string }) {
  const closed = wayTo(realpathSync(nearest(folder))).find((each) => {
    const { gid: own, mode } = statSync(each);
    return (mode & (own === gid ? ENTER_AS_GROUP : ENTER)) === 0;
  });
  if (closed === undefined) return undefined;
  const mode = (statSync(closed).mode & 0o7777).toString(8).padStart(4, '0');
  return `Members of the group "${group}" do not get to the files in ${folder}: they cannot enter ${closed} (mode ${mode}, group ${statSync(closed).gid}). Where the program reads the files as one of them, and not as root, change that: "chgrp ${group} ${closed}", or "chmod o+x ${closed}".`;
}
