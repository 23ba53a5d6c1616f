/** Tells systemd how the service stands. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Tells systemd a state such as `READY=1`, by its program `systemd-notify`: Node has no datagram sockets of Unix. Does nothing where
 * systemd did not start this process.
 */
export async function notifySystemd(...state: readonly string[]): Promise<void> {
  if (!process.env['NOTIFY_SOCKET']) return;
  // The unit has NotifyAccess=all, since another process sends it.
  await run('systemd-notify', [`--pid=${process.pid}`, ...state], { timeout: 5_000 }).catch(() => {});
}
