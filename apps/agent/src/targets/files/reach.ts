/** Whether the members of a group get to files that they can read: a folder on the way can be closed to them. */
import { realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { placeOf } from '../../configuration/read-configuration.ts';
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
 * @param own the agent's state directory.
 */
export function closedTo(
  folder: string,
  { gid, group, own }: { readonly gid: number; readonly group: string; readonly own: string },
): string | undefined {
  const closed = wayTo(realpathSync(nearest(folder))).find((each) => {
    const { gid: owning, mode } = statSync(each);
    return (mode & (owning === gid ? ENTER_AS_GROUP : ENTER)) === 0;
  });
  if (closed === undefined) return undefined;
  const { gid: owning, mode } = statSync(closed);
  const shown = (mode & 0o7777).toString(8).padStart(4, '0');
  // systemd sets group and mode of a StateDirectory at each start, and the group of all that is in it.
  const advice =
    closed === placeOf(own)
      ? 'name a "folder" for the target that is not in the state directory of the agent, to which systemd gives its group and mode again at each start'
      : `change that: "chgrp ${group} ${closed}", or "chmod o+x ${closed}"`;
  return `Members of the group "${group}" do not get to the files in ${folder}: they cannot enter ${closed} (mode ${shown}, group ${owning}). Where the program reads the files as one of them, and not as root, ${advice}.`;
}
