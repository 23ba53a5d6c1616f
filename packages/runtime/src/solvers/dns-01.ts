/** The solver of DNS settings, made of what this machine has. */
import type { Solver } from '@certbus/acme';
import { ManagerError } from '@certbus/manager';
import { createSolver, type DnsSettings, type Surroundings } from '@certbus/solvers';

/** The solver that answers DNS-01 where the configuration says. Rejects as the surroundings do, or `CERTBUS_MANAGER_CONFIG_INVALID`. */
export async function createDns01Solver(settings: DnsSettings, surroundings: Surroundings): Promise<Solver> {
  try {
    return await createSolver(settings, surroundings);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    const message = `The DNS settings for ${settings.zones.join(', ')} cannot be used: ${cause.message}. Correct them with "certbus conf update".`;
    throw new ManagerError('CERTBUS_MANAGER_CONFIG_INVALID', message, { cause });
  }
}
