/** Secrets of the configuration, as text, and the hosts that they are for. */
import { hostOfUrl, PROVIDERS, parseHost, type Secret, type SecretUse, secretVariables } from '@certbus/solvers';
import { ManagerError } from '../errors.ts';
import type { Configuration } from './configuration.ts';

/**
 * Reads an environment variable; `undefined` where it is not set. For the name of a secret's variable and `_HOSTS` behind it: the hosts
 * that this machine allows the secret to be used at, `HOST` or `HOST:PORT`, with spaces or commas between.
 */
export type SecretSource = (name: string) => string | undefined;

/** Whether a machine allows the use of a secret at a host, `HOST:PORT`. */
function isAllowed(variable: string, host: string, source: SecretSource): boolean {
  const wanted = parseHost(host);
  if (!wanted) return false;
  const allowed = (source(`${variable}_HOSTS`) ?? '').split(/[\s,]+/).map(parseHost);
  return allowed.some((each) => each?.name === wanted.name && (each.port ?? wanted.port) === wanted.port);
}

/** A use of a secret of this machine's environment that this machine does not allow. */
export interface RefusedSecret {
  /** Its environment variable. */
  readonly variable: string;
  /** `HOST:PORT` */
  readonly host: string;
  /** What to do about it, in a sentence. */
  readonly advice: string;
}

/** Those of the hosts at which this machine does not allow a secret to be used. */
function refusals(variable: string, hosts: readonly string[], source: SecretSource): readonly RefusedSecret[] {
  return hosts
    .filter((host) => !isAllowed(variable, host, source))
    .map((host) => {
      const advice = `If it belongs there, add "secretHosts": { "${variable}": ["${host}"] } to certbus.json, or set ${variable}_HOSTS=${host}; if not, correct the configuration with "certbus conf update", and find out who changed it.`;
      return { variable, host, advice };
    });
}

/**
 * The text of a secret. A literal was written by anyone who wrote the configuration and goes where that says; a secret of this machine only
 * where this machine allows it, unless the program has the host itself. Throws `CERTBUS_MANAGER_SECRET_MISSING`, naming the
 * variable that is not set, or `CERTBUS_MANAGER_SECRET_HOST_REFUSED`.
 */
export function resolveSecret(secret: Secret, source: SecretSource, { hosts }: SecretUse = { hosts: [] }): string {
  if (typeof secret === 'string') return secret;
  const text = source(secret.env);
  if (!text) {
    const what = `The configuration takes a secret from the environment variable ${secret.env}, which is not set here.`;
    throw new ManagerError('CERTBUS_MANAGER_SECRET_MISSING', what);
  }
  const [refused] = refusals(secret.env, hosts, source);
  if (!refused) return text;
  const { variable, host, advice } = refused;
  const what = `The configuration on the bus uses the secret ${variable} at ${host}, which this machine does not allow. ${advice}`;
  throw new ManagerError('CERTBUS_MANAGER_SECRET_HOST_REFUSED', what);
}

/** The host of an address, for a secret that is used there; none where there is no address. */
export const hostsOf = (url: string | undefined): readonly string[] => (url === undefined ? [] : [hostOfUrl(url)]);

/** The hosts at which a configuration uses secrets of the environment, by variable; those whose host is not configured have none. */
export function secretHosts({
  authorities,
  dns = [],
  http01,
  alerts = {},
}: Configuration): ReadonlyMap<string, readonly string[]> {
  const s3 = typeof http01?.answer === 'object' && 's3' in http01.answer ? http01.answer.s3 : undefined;
  const uses = [
    ...dns.map((settings) => {
      const provider = PROVIDERS.find(({ name }) => name === settings.provider);
      return { owner: settings, hosts: provider?.hosts(settings) ?? [] };
    }),
    ...Object.values(authorities).map(({ eab, directory }) => ({ owner: eab, hosts: hostsOf(directory) })),
    { owner: s3, hosts: hostsOf(s3?.endpoint) },
    // A webhook is its own host.
    ...Object.values(alerts).map((sink) => ({
      owner: sink,
      hosts: 'alertmanager' in sink ? hostsOf(sink.alertmanager) : [],
    })),
  ];
  const all = uses.flatMap(({ owner, hosts }) =>
    secretVariables(owner).flatMap((name) => hosts.map((host) => ({ name, host }))),
  );
  const byName = Map.groupBy(all, ({ name }) => name);
  return new Map([...byName].map(([name, found]) => [name, [...new Set(found.map(({ host }) => host))]]));
}

/** The uses of secrets of the environment, in a configuration, that this machine does not allow. */
export function refusedSecrets(config: Configuration, source: SecretSource): readonly RefusedSecret[] {
  return [...secretHosts(config)].flatMap(([variable, hosts]) => refusals(variable, hosts, source));
}
