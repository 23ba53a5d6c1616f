/** The public CAs that `certbus init` and `certbus conf use` know by name. */
import type { CertificateAuthority } from '@certbus/manager';

/** A public CA. */
export interface PublicAuthority {
  /** What a user calls it. */
  readonly choice: string;
  /** Its name in the configuration. */
  readonly name: string;
  readonly label: string;
  readonly directory: string;
}

/** The public CAs, the one to begin with first. */
export const PUBLIC_AUTHORITIES: readonly PublicAuthority[] = [
  {
    choice: 'staging',
    name: 'letsencrypt-staging',
    label: "Let's Encrypt staging, to try everything out: browsers do not trust its certificates",
    directory: 'https://acme-staging-v02.api.letsencrypt.org/directory',
  },
  {
    choice: 'production',
    name: 'letsencrypt',
    label: "Let's Encrypt, with its limits: 5 certificates for the same names in 7 days",
    directory: 'https://acme-v02.api.letsencrypt.org/directory',
  },
];

/** The public CA that a user names: as it is called here, or as the configuration calls it. */
export const publicAuthority = (name: string): PublicAuthority | undefined =>
  PUBLIC_AUTHORITIES.find((each) => each.choice === name || each.name === name);

/** The name in a configuration of a CA that is given by its directory. */
export const nameOf = (directory: string): string =>
  PUBLIC_AUTHORITIES.find((each) => each.directory === directory)?.name ?? 'ca';

/** How long a CA is waited for that only says where its terms are. */
const TERMS_MS = 10_000;

/** Where a CA's terms of service are, in words for the one who agrees to them; an outage is part of the answer. */
export async function describeTerms(
  { directory, roots }: Pick<CertificateAuthority, 'directory' | 'roots'>,
  signal: AbortSignal,
): Promise<string> {
  const [{ createAcme, generateAccountKey, readDirectory }, { createOutgoing }] = await Promise.all([
    import('@certbus/acme'),
    import('@certbus/store/outgoing'),
  ]);
  try {
    const outgoing = createOutgoing({ environment: process.env });
    const accountKey = await generateAccountKey();
    const ca = createAcme({ directory, accountKey, outgoing, ...(roots ? { roots } : {}) });
    try {
      const patience = AbortSignal.any([signal, AbortSignal.timeout(TERMS_MS)]);
      const { termsOfService } = await readDirectory(ca, { signal: patience });
      return termsOfService ?? `${directory} names no terms of service`;
    } finally {
      await ca.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    return `"meta.termsOfService" of ${directory}, which cannot be read from here now (${error instanceof Error ? error.message : String(error)})`;
  }
}
