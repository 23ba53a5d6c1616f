/** What distinguishes this machine from its neighbours. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

/** The machine's id (machine-id(5)); empty where it has none, as in many containers. */
function idIn(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}

/**
 * Names this machine to its own processes, while it runs: by its id alone where it has one, since its name can change meanwhile, as when a new machine is
 * set up. A container mostly has none, and a name of its own: there by the kernel's last start, which all containers of a machine have in common. Else by
 * its name.
 */
export const machineId = ({
  idFile = '/etc/machine-id',
  bootFile = '/proc/sys/kernel/random/boot_id',
  host = hostname(),
} = {}): string => idIn(idFile) || idIn(bootFile) || host;

/**
 * Names this machine among others, the same at every start. By its name as well as by its id: a copy of a virtual machine, or of an image of a container,
 * often has the id of the original.
 */
export function machineName({ idFile = '/etc/machine-id', host = hostname() } = {}): string {
  return `${idIn(idFile)} ${host}`;
}
