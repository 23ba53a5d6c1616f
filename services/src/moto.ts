/** moto, which judges requests to Amazon services. */
import { freePort } from './machine.ts';
import { startService } from './process.ts';
import { findPython, missingPython } from './python.ts';

/** moto's server: the API of Amazon's services as others understand it, on loopback. It has no limits and no DNS. */
export interface Moto {
  readonly endpoint: string;
  readonly pid: number;
  stop(): Promise<void>;
}

const LOCK = 'moto';

/** Why this machine cannot have moto; `undefined` when it can. */
export const missingMoto = (): string | undefined => missingPython(LOCK, 'moto');

/** Finds or installs moto and returns the Python that has it. */
export const findMoto = (): Promise<string> => findPython(LOCK, 'moto');

/** Starts moto's server, installing it first where it was never used. */
export async function startMoto(): Promise<Moto> {
  const python = await findMoto();
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  // As a module: the folder was moved after its scripts were written, which name its old place.
  const { pid, stop } = await startService(python, ['-m', 'moto.server', '-p', String(port)], {
    isReady: async () => (await fetch(`${endpoint}/moto-api/`)).ok,
  });
  return { endpoint, pid, stop };
}
