/** Finds the CA of the configuration that something which another program left came from. */
import type { CertificateAuthority, Configuration } from '../../configuration/configuration.ts';

/** What another program recorded of a CA: the URL of its directory, or only an address at the CA, such as that of an order. */
export interface CaHint {
  readonly directory?: string | undefined;
  /** Any URL at the CA. */
  readonly url?: string | undefined;
}

const hostOf = (url: string | undefined): string | undefined =>
  url !== undefined && URL.canParse(url) ? new URL(url).host : undefined;

/** The authority that a hint means: by its directory, else the only one at its host. `undefined` where the configuration has none. */
export function authorityOf({ authorities }: Configuration, hint: CaHint): CertificateAuthority | undefined {
  const all = Object.values(authorities);
  const exact = all.find(({ directory }) => directory === hint.directory);
  if (exact || hint.directory !== undefined) return exact;
  const host = hostOf(hint.url);
  const atHost = all.filter(({ directory }) => host !== undefined && hostOf(directory) === host);
  return atHost.length === 1 ? atHost[0] : undefined;
}

/** A hint in words. */
export const describeHint = ({ directory, url }: CaHint): string =>
  directory ?? hostOf(url) ?? 'a CA that is not named';
