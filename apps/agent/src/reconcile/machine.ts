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
 * Names this machine to its own processes: by its id alone where it has one, since its name can change while they run, as when a new machine is set up;
 * else by its name.
 */
export const machineId = ({ idFile = '/etc/machine-id', host = hostname() } = {}): string => idIn(idFile) || host;

/**
 * Names this machine among others, the same at every start. By its name as well as by its id: a copy of a virtual machine, or of an image of a container,
 * often has the id of the original.
 */
export function machineName({ idFile = '/etc/machine-id', host = hostname() } = {}): string {
  return `${idIn(idFile)} ${host}`;
}
