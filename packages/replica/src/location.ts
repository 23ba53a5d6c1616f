/** Where replicas are kept. */
import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { posix, win32 } from 'node:path';
import { ReplicaError } from './errors.ts';

/** Where a program keeps state, by its environment. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
  /** Read only where nothing else names the place: a user without an entry in `/etc/passwd` may have none. */
  readonly home: string;
}

/** `$CERTBUS_STATE_DIR`, else systemd's `$STATE_DIRECTORY`, else the platform's place for a user's state. */
export function resolveStateDirectory(surroundings: Surroundings): string {
  const { env, platform } = surroundings;
  const { join } = platform === 'win32' ? win32 : posix;
  const named = env['CERTBUS_STATE_DIR'] || env['STATE_DIRECTORY']?.split(':')[0];
  if (named) return named;
  if (platform === 'win32') return join(env['LOCALAPPDATA'] || join(surroundings.home, 'AppData', 'Local'), 'certbus');
  if (platform === 'darwin') return join(surroundings.home, 'Library', 'Application Support', 'certbus');
  return join(env['XDG_STATE_HOME'] || join(surroundings.home, '.local', 'state'), 'certbus');
}

/**
 * The state directory of this process with these variables of the environment. Throws `CERTBUS_REPLICA_FAILED` where they name none
 * and the user has no home folder.
 */
export function stateDirectoryOf(env: Surroundings['env']): string {
  return resolveStateDirectory({
    env,
    platform: process.platform,
    get home() {
      try {
        return homedir();
      } catch (cause) {
        const what =
          'This user has no home folder to keep state in. Set CERTBUS_STATE_DIR to a folder that it can write.';
        throw new ReplicaError('CERTBUS_REPLICA_FAILED', what, { cause });
      }
    },
  });
}

/** The file of one role's replica of one bus, and so that two roles on one machine never share it. */
export function replicaPath({
  stateDirectory,
  role,
  address,
}: {
  readonly stateDirectory: string;
  readonly role: 'client' | 'manager';
  /** The bus's address, as the user gave it. */
  readonly address: string;
}): string {
  const hash = createHash('sha256').update(address).digest('hex').slice(0, 16);
  const { join } = stateDirectory.includes('\\') ? win32 : posix;
  return join(stateDirectory, `${role}-${hash}.db`);
}
