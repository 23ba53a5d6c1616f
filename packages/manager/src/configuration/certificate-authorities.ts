/** Finds a certificate authority of the configuration by its directory or by its name. */
import type { CaLimits } from '@certbus/acme';
import { ManagerError } from '../errors.ts';
import type { CertificateAuthority, Configuration } from './configuration.ts';
import { limitsAt } from './limits.ts';

/** The authority with this directory. Throws `CERTBUS_MANAGER_CONFIG_INVALID` where the configuration does not have it any more. */
export function authorityAt({ authorities }: Configuration, directory: string): CertificateAuthority {
  const authority = Object.values(authorities).find((candidate) => candidate.directory === directory);
  if (authority) return authority;
  const what = `The configuration has no authority with the directory ${directory}, which this certificate came from. Add it with "certbus conf update".`;
  throw new ManagerError('CERTBUS_MANAGER_CONFIG_INVALID', what);
}

/** The authority of this name, or the default one. Throws `CERTBUS_MANAGER_CONFIG_INVALID` where there is none. */
export function authorityNamed(
  { authorities, defaultAuthority }: Configuration,
  name: string = defaultAuthority,
): CertificateAuthority {
  const authority = Object.hasOwn(authorities, name) ? authorities[name] : undefined;
  if (authority) return authority;
  const what = `The configuration has no authority "${name}" (it has: ${Object.keys(authorities).join(', ')}).`;
  throw new ManagerError('CERTBUS_MANAGER_CONFIG_INVALID', what);
}

/** The directory that new certificates come from. */
export function defaultDirectory({ authorities, defaultAuthority }: Configuration): string {
  return (authorities[defaultAuthority] as CertificateAuthority).directory;
}

/** The limits that count at a CA of the configuration, by its directory: those in it, and for all else those that `published` has. */
export function limitsOfAuthority(
  { authorities }: Pick<Configuration, 'authorities'>,
  published: (directory: string) => CaLimits,
  directory: string,
): CaLimits {
  const authority = Object.values(authorities).find((candidate) => candidate.directory === directory);
  return limitsAt(published(directory), authority?.limits);
}

/**
 * Throws `CERTBUS_MANAGER_CONFIG_INVALID` where two authorities have one directory: accounts and certificates know a CA by its directory, so that the
 * settings of the second one would count for nothing.
 */
export function checkDirectories({ authorities }: Pick<Configuration, 'authorities'>): void {
  const known = new Map<string, string>();
  for (const [name, { directory }] of Object.entries(authorities)) {
    const { href } = new URL(directory);
    const other = known.get(href);
    if (other !== undefined) {
      const what = `The configuration is refused: authorities.${name}.directory is that of "${other}" as well. A CA has one account and one entry here: keep one of them.`;
      throw new ManagerError('CERTBUS_MANAGER_CONFIG_INVALID', what);
    }
    known.set(href, name);
  }
}
