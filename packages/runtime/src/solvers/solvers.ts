/** Makes the solver that a certificate needs, from the configuration and the programs of this machine. */
import { join } from 'node:path';
import { resolveSecret, type SecretSource, type SolverFactory } from '@certbus/manager';
import type { Surroundings } from '@certbus/solvers';
import type { Environment } from '../environment.ts';
import { createDns01Solver } from './dns-01.ts';
import { createHttp01Solver } from './http-01.ts';

/** What solvers of DNS providers take from this machine. */
function surroundingsOf({ config, outgoing, stateDirectory }: Environment, secrets: SecretSource): Surroundings {
  return {
    resolveSecret: (secret, use) => resolveSecret(secret, secrets, use),
    outgoing,
    async findProgram(name) {
      const { findProgram, programFor } = await import('../programs.ts');
      const outputs = join(stateDirectory, 'program-outputs');
      return programFor(findProgram(config.programs, name), { name, secrets, outputs });
    },
  };
}

/** Solvers are imported when one is needed: the AWS SDK takes a quarter of a second. */
export function createSolverFactory(environment: Environment, secrets: SecretSource): SolverFactory {
  const surroundings = surroundingsOf(environment, secrets);
  return async (settings) => {
    if (settings.challenge === 'http-01')
      return createHttp01Solver(settings.http01, { ...surroundings, publish: settings.publish });
    if (settings.challenge === 'tls-alpn-01') {
      const { createTlsAlpn01ClientsSolver } = await import('@certbus/solvers/tls-alpn-01-clients');
      return createTlsAlpn01ClientsSolver({ ...settings.tlsAlpn01, publish: settings.publish });
    }
    if (settings.challenge === 'dns-persist-01') {
      const { createDnsPersist01Solver } = await import('@certbus/solvers/dns-persist-01');
      return createDnsPersist01Solver({ ...settings.dnsPersist01, warn: settings.warn });
    }
    return createDns01Solver(settings.dns, surroundings);
  };
}
