/** Where an agent's replica, status and pauses are, and whose that folder is. */
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ownFolder, stateDirectoryOf } from '@certbus/replica';
import type { ResolvedConfiguration } from './configuration/read-configuration.ts';
import { AgentError } from './errors.ts';
import { readStatus, STATUS_FILE } from './reporting/status.ts';

/** The state directory of the systemd unit that is shipped. */
export const SERVICE_STATE_DIRECTORY = '/var/lib/certbus-agent';

const ROOT = 0;

/** The name of a user, where `/etc/passwd` has it. */
function nameOf(uid: number): string | undefined {
  try {
    const users = readFileSync('/etc/passwd', 'utf8').split('\n');
    return users.map((line) => line.split(':')).find(([, , id]) => id === String(uid))?.[0];
  } catch {
    return undefined;
  }
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

const hasStatus = (folder: string): boolean => existsSync(join(folder, STATUS_FILE));

/** The user whose folder it is, where that is another one than this process's. */
function otherOwner(folder: string, uid: number): number | undefined {
  const owner = statSync(folder, { throwIfNoEntry: false })?.uid;
  if (owner === undefined || owner === uid) return undefined;
  // In a volume of a container that others may write to, each user has a folder of its own.
  return uid !== ROOT && !hasStatus(folder) && isWritable(folder) ? undefined : owner;
}

/** The same, where the folder cannot even be entered. */
function ownerOf(folder: string, uid: number): number | undefined {
  try {
    return otherOwner(folder, uid);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EACCES')) throw error;
    return ownerOf(dirname(folder), uid);
  }
}

/** Another user who has a folder of its own with a status in one that all may write to. */
function neighbourIn(folder: string): number | undefined {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const found = names.find((name) => /^certbus-\d+$/.test(name) && hasStatus(join(folder, name)));
  return found === undefined ? undefined : Number(found.slice('certbus-'.length));
}

function refuse(folder: string, { uid, other }: { readonly uid: number; readonly other: number }): AgentError {
  const name = nameOf(other);
  const user = name === undefined ? `user ${other}` : `user ${name} (${other})`;
  const as = `${uid === ROOT ? 'runuser' : 'sudo'} -u ${name ?? `'#${other}'`}`;
  const what = `This agent runs as ${user}, to whom its state in ${folder} belongs, and this command runs as user ${nameOf(uid) ?? uid}. Put "${as} --" in front of the command.`;
  return new AgentError('CERTBUS_AGENT_OTHER_USER', what);
}

type Place = Pick<ResolvedConfiguration, 'stateDirectory'>;

const placeOf = ({ stateDirectory }: Place): string => stateDirectory ?? stateDirectoryOf(process.env);

/**
 * The folder for the replica, status and pauses of an agent of this user. Throws `CERTBUS_AGENT_OTHER_USER` where it is that of another user's agent,
 * which could not read what is left there.
 */
export function stateDirectoryFor(configuration: Place): string {
  const folder = placeOf(configuration);
  const uid = process.geteuid?.();
  const other = uid === undefined ? undefined : ownerOf(folder, uid);
  if (uid !== undefined && other !== undefined) throw refuse(folder, { uid, other });
  return ownFolder(folder);
}

/**
 * The folder of an agent that was run, for what looks at its status or pauses it. Throws as {@link stateDirectoryFor}, and
 * `CERTBUS_AGENT_CONFIG_MISSING` where no agent was run with it: a pause there would pause nothing.
 */
export function stateDirectoryOfAgent(configuration: Place): string {
  const folder = stateDirectoryFor(configuration);
  const uid = process.geteuid?.();
  const other = hasStatus(folder) ? undefined : neighbourIn(placeOf(configuration));
  if (uid !== undefined && other !== undefined) throw refuse(placeOf(configuration), { uid, other });
  readStatus(folder);
  return folder;
}
