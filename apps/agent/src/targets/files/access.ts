/** Who may read the files that the agent writes. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { AgentError } from '../../errors.ts';

/** Owner and mode of a target's files, resolved. Folders stay the agent's, and get the group. */
export interface Access {
  /** `undefined`: this process's user. */
  readonly uid: number | undefined;
  /** `undefined`: this process's group. */
  readonly gid: number | undefined;
  /** Of files that hold a private key. Others never have any access. */
  readonly secretMode: number;
  /** Of files without a private key. */
  readonly publicMode: number;
  /** Of folders. */
  readonly folderMode: number;
}

/** Owner and mode as the configuration has them. */
export interface AccessSettings {
  /** Name or number; default the agent's own user. It can pass through the folders, and list them where it is in the group. */
  readonly owner?: string | undefined;
  /** Name or number; default the agent's own group. Its members can read the keys. */
  readonly group?: string | undefined;
  /** Of files that hold a private key, octal; default `0600`, or `0640` where a group is named. */
  readonly mode?: string | undefined;
}

const MODE = 0o7777;
const EXECUTE_WHERE_READ = 2;
const OWNER_ALL = 0o700;
const GROUP_READS = 0o040;

const run = promisify(execFile);
const LOOKUP_MS = 10_000;

type Database = 'passwd' | 'group';

/** The line of a user or group in the file, for a system without getent, such as a small container. */
async function lineInFile(database: Database, name: string): Promise<string> {
  const lines = (await readFile(`/etc/${database}`, 'utf8')).split('\n');
  return lines.find((line) => line.startsWith(`${name}:`)) ?? '';
}

/** Asks the system for the line of a user or group: it may be in a directory service and not in a file. Empty where there is none. */
async function lineOf(database: Database, name: string, lookupMs: number): Promise<string> {
  // To getent a dash begins an option. That of Alpine knows no options, and looks for a "--" before a name.
  if (name.startsWith('-')) return '';
  try {
    return (await run('getent', [database, name], { timeout: lookupMs })).stdout;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return lineInFile(database, name);
    throw error;
  }
}

/** Rejects as {@link resolveAccess}. */
async function numberOf(database: Database, name: string, lookupMs: number): Promise<number> {
  if (/^\d+$/.test(name)) return Number(name);
  const what = database === 'passwd' ? 'user' : 'group';
  try {
    const number = (await lineOf(database, name, lookupMs)).split(':')[2] ?? '';
    if (/^\d+$/.test(number)) return Number(number);
  } catch (error) {
    if (error instanceof Error && 'killed' in error && error.killed === true) {
      const late = `"getent ${database}" did not find the ${what} "${name}" within ${lookupMs / 1000} s. Is the directory service of this machine up? Until then this target is not fed.`;
      throw new AgentError('CERTBUS_AGENT_TARGET_TIMED_OUT', late);
    }
    // It is not there.
  }
  const advice = `Name one that "getent ${database}" lists, or its number.`;
  throw new AgentError('CERTBUS_AGENT_CONFIG_INVALID', `There is no ${what} "${name}" on this machine. ${advice}`);
}

/** The mode of the folders above files of a mode: a group that can read the files can enter them. Nobody but the agent can change what is in them. */
const folderModeOf = (secretMode: number): number => {
  const group = secretMode & GROUP_READS;
  return OWNER_ALL | group | (group >> EXECUTE_WHERE_READ);
};

/**
 * Resolves names. Rejects `CERTBUS_AGENT_CONFIG_INVALID` for a user or group that does not exist, and `CERTBUS_AGENT_TARGET_TIMED_OUT` where the system
 * does not say in time.
 *
 * @param lookupMs how long the system may look for each, milliseconds; default 10000.
 */
export async function resolveAccess(
  { owner, group, mode }: AccessSettings,
  { lookupMs = LOOKUP_MS }: { readonly lookupMs?: number } = {},
): Promise<Access> {
  const secretMode = Number.parseInt(mode ?? (group === undefined ? '0600' : '0640'), 8);
  return {
    uid: owner === undefined ? undefined : await numberOf('passwd', owner, lookupMs),
    gid: group === undefined ? undefined : await numberOf('group', group, lookupMs),
    secretMode,
    publicMode: secretMode | 0o044,
    folderMode: folderModeOf(secretMode),
  };
}

/** Whether a file is of the owner and group that were named, and has the mode that it was given. */
export function isAsGiven(
  found: { readonly uid: number; readonly gid: number; readonly mode: number },
  { access, isSecret }: { readonly access: Access; readonly isSecret: boolean },
): boolean {
  const { uid = found.uid, gid = found.gid, secretMode, publicMode } = access;
  return found.uid === uid && found.gid === gid && (found.mode & MODE) === (isSecret ? secretMode : publicMode);
}
