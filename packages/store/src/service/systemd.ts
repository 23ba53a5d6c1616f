/** Tells systemd how a service stands, and that it is alive. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Variables of the environment that systemd sets for a service. */
type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Tells systemd a state such as `READY=1`, by its program `systemd-notify`: Node has no datagram sockets of Unix. Does nothing where
 * systemd did not start this process. Never rejects.
 */
export async function notifySystemd(...state: readonly string[]): Promise<void> {
  if (!process.env['NOTIFY_SOCKET']) return;
  // The unit has NotifyAccess=all, since another process sends it.
  await run('systemd-notify', [`--pid=${process.pid}`, ...state], { timeout: 5_000 }).catch(() => {});
}

/**
 * How often systemd is to be told that a service is alive, milliseconds: half of what its unit has as `WatchdogSec`; `undefined` where nothing
 * watches this process.
 */
export function watchdogEveryMs({ WATCHDOG_USEC: micros, WATCHDOG_PID: pid }: Variables): number | undefined {
  if (pid !== undefined && Number(pid) !== process.pid) return undefined;
  const everyMs = Number(micros) / 2_000;
  return everyMs > 0 && everyMs < 2 ** 31 ? everyMs : undefined;
}

/** Keeps telling systemd that this process's event loop turns, where the unit asks for it, until it is disposed of. */
export function startWatchdog(): Disposable {
  const everyMs = watchdogEveryMs(process.env);
  if (everyMs === undefined) return { [Symbol.dispose]() {} };
  const timer = setInterval(() => void notifySystemd('WATCHDOG=1'), everyMs).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
