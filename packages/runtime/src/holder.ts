/** Names a process of this machine in claims, so that another one here can tell whether it still runs. */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { createId } from '@certbus/events';

/** Where process ids mean the same: one boot of one machine, and one namespace of process ids in it. */
interface Place {
  readonly bootId: string;
  /** As `/proc/self/ns/pid` links it, without the brackets. */
  readonly pidNamespace: string;
}

/** The place of this process; `undefined` where the system does not say, as outside Linux. */
function ownPlace(): Place | undefined {
  try {
    const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const [, pidNamespace] = /^pid:\[(\d+)\]$/.exec(readlinkSync('/proc/self/ns/pid')) ?? [];
    return pidNamespace === undefined || bootId === '' ? undefined : { bootId, pidNamespace };
  } catch {
    return undefined;
  }
}

/** The name of this process in claims, unlike any other's: host, process id, and where that id means something. */
export function createHolder(): string {
  const place = ownPlace();
  const where = place ? `, boot ${place.bootId}, pid namespace ${place.pidNamespace}` : '';
  return `${hostname()} process ${process.pid} (${createId()}${where})`;
}

const HOLDER =
  /^(?<host>\S+) process (?<pid>\d+) \([\w-]+, boot (?<bootId>[\w-]+), pid namespace (?<pidNamespace>\d+)\)$/;

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Of another user it says so, and that it is there.
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}

/**
 * Whether the process of a claim's holder has ended. Known only of a process of this machine, this boot and this namespace of process ids;
 * of any other, and where its id is in use again, the answer is no.
 */
export function hasEnded(holder: string): boolean {
  const { host, pid, bootId, pidNamespace } = HOLDER.exec(holder)?.groups ?? {};
  const place = ownPlace();
  if (!place || host !== hostname() || bootId !== place.bootId || pidNamespace !== place.pidNamespace) return false;
  return !isRunning(Number(pid));
}
