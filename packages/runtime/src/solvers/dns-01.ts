import type { ProxyOptions, Solver } from '@certbus/acme';
import { type DnsSettings, ManagerError, resolveSecret, type SecretSource } from '@certbus/manager';
import type { LocalPrograms } from '../local-config.ts';

/** What settings do not say. */
interface Surroundings {
  readonly secrets: SecretSource;
  /** Between this machine and APIs by https. */
  readonly proxy: ProxyOptions | undefined;
  readonly programs: LocalPrograms;
  /** Folder in which what certbot's auth hooks print is kept. */
  readonly outputs: string;
}

/** The solver that answers DNS-01 where the configuration says. Imported when needed: the AWS SDK takes a quarter of a second. */
export async function createDns01Solver(settings: DnsSettings, surroundings: Surroundings): Promise<Solver> {
  try {
    return await create(settings, surroundings);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    const message = `The DNS settings for ${settings.zones.join(', ')} cannot be used: ${cause.message}. Correct them with "certbus conf update".`;
    throw new ManagerError('CERTBUS_MANAGER_CONFIG_INVALID', message, { cause });
  }
}

async function create(settings: DnsSettings, surroundings: Surroundings): Promise<Solver> {
  const { secrets, proxy } = surroundings;
  switch (settings.provider) {
    case 'route53': {
      const { createRoute53Solver } = await import('@certbus/solvers/route53');
      const { accessKeyId, secretAccessKey, ...options } = settings;
      const credentials =
        accessKeyId && secretAccessKey
          ? { accessKeyId, secretAccessKey: resolveSecret(secretAccessKey, secrets) }
          : undefined;
      return createRoute53Solver({ ...options, credentials });
    }
    case 'cloudflare': {
      const { createCloudflareSolver } = await import('@certbus/solvers/cloudflare');
      const { resolver, nameServers } = settings;
      return createCloudflareSolver({ token: resolveSecret(settings.token, secrets), proxy, resolver, nameServers });
    }
    case 'rfc2136': {
      const { createRfc2136Solver } = await import('@certbus/solvers/rfc2136');
      const { key } = settings;
      return createRfc2136Solver({ ...settings, key: { ...key, secret: resolveSecret(key.secret, secrets) } });
    }
    case 'powerdns': {
      const { createPowerDnsSolver } = await import('@certbus/solvers/powerdns');
      return createPowerDnsSolver({ ...settings, proxy, apiKey: resolveSecret(settings.apiKey, secrets) });
    }
    case 'acme-dns': {
      const { createAcmeDnsSolver } = await import('@certbus/solvers/acme-dns');
      const accounts = settings.accounts.map((account) => {
        return { ...account, password: resolveSecret(account.password, secrets) };
      });
      return createAcmeDnsSolver({ ...settings, proxy, accounts });
    }
    case 'httpreq': {
      const { createHttpReqSolver } = await import('@certbus/solvers/httpreq');
      const { password } = settings;
      const secret = password === undefined ? undefined : resolveSecret(password, secrets);
      return createHttpReqSolver({ ...settings, proxy, password: secret });
    }
    case 'exec': {
      const { createExecSolver } = await import('@certbus/solvers/exec');
      const { findProgram, programFor } = await import('../programs.ts');
      const { program: name, resolver, nameServers } = settings;
      const program = programFor(findProgram(surroundings.programs, name), { ...surroundings, name });
      return createExecSolver({ program, resolver, nameServers });
    }
    case 'challtestsrv': {
      const { createChallTestSrvSolver } = await import('@certbus/solvers/challtestsrv');
      return createChallTestSrvSolver({ url: settings.url });
    }
  }
}
