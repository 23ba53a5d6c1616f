/** Which files a certificate becomes. */
import { X509Certificate } from 'node:crypto';
import { chainPem, issuersPem, type KeyEncoding, keyOf, keyPem, leafPem } from '../../pairs/encodings.ts';
import type { Pair } from '../../pairs/pair.ts';

/**
 * Names of the files: `certbot` as its `live` folder (`NAME/cert.pem`, `chain.pem`, `fullchain.pem`, `privkey.pem`), `lego` as its
 * `certificates` folder (`NAME.crt`, `NAME.issuer.crt`, `NAME.key`), `combined` (`NAME.pem` with key and chain), `pkcs12` (`NAME.p12`).
 */
export type Layout = 'certbot' | 'lego' | 'combined' | 'pkcs12';

/** How certificates become files. */
export interface FileForm {
  readonly layout: Layout;
  readonly keyEncoding: KeyEncoding;
  /** Of PKCS#12 files. */
  readonly password?: string | undefined;
}

/** One file of a certificate. */
export interface CertificateFile {
  /** Below the target's folder. */
  readonly path: string;
  readonly content: string | Uint8Array;
  readonly isSecret: boolean;
}

const PKCS12 = '.p12';

/** Whether a file holds a private key. */
export const isSecretFile = (path: string, content: Buffer): boolean =>
  path.endsWith(PKCS12) || content.includes('PRIVATE KEY');

/** A wildcard's star as lego writes it: a star in a file name is read by shells. */
const inFileName = (name: string): string => name.replace(/^\*/, '_');

/** The name of the files of the default certificate, beside those under its own. */
export const DEFAULT_NAME = 'default';

/** Whether a file is one of those under that name, in whatever layout. */
export const isOfDefault = (path: string): boolean =>
  /^default(?:\/|(?:\.crt|\.issuer\.crt|\.key|\.p12|\.pem)$)/.test(path);

/** What a file of a certificate is called among those of the default one. */
export const pathOfDefault = (path: string, name: string): string => `${DEFAULT_NAME}${path.slice(name.length)}`;

/** Longest name: a file that is being written has 45 characters more, and file systems end at 255. */
const LONGEST = 150;

const SAFE = /^[a-z0-9_](?:[a-z0-9._-]*[a-z0-9])?$/;
/** What lego's layout has behind the name of a certificate for its issuers: `a.issuer.crt` is either that of `a` or the chain of `a.issuer`. */
const OF_ISSUERS = /\.issuer$/;

/** The name that a certificate's files would have if it were the only one: the first of its names, or its id where that is not fit for a file. */
function wishedName(certificateId: string, names: readonly string[]): string {
  const name = inFileName((names[0] ?? '').toLowerCase());
  return name.length <= LONGEST && SAFE.test(name) ? name : certificateId;
}

/**
 * Names of certificates in files. One that has a name keeps it, since the configuration of a balancer may name it; of two that would share
 * one the later has its id behind it.
 *
 * @param given names that are in use and stay so, by certificate id.
 */
export function fileNames(
  wanted: ReadonlyMap<string, { readonly names: readonly string[] }>,
  given: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const result = new Map(given);
  const taken = new Set([...result.values(), DEFAULT_NAME]);
  for (const [id, { names }] of wanted) {
    if (result.has(id)) continue;
    const wished = wishedName(id, names);
    const name = taken.has(wished) || OF_ISSUERS.test(wished) ? `${wished}-${id}` : wished;
    taken.add(name);
    result.set(id, name);
  }
  return result;
}

/** The files of a certificate under a name. */
export async function filesOf(
  pair: Pair,
  { layout, name, keyEncoding, password = '' }: FileForm & { readonly name: string },
): Promise<readonly CertificateFile[]> {
  const key = keyPem(pair, keyEncoding);
  const file = (path: string, content: string): CertificateFile => ({ path, content, isSecret: content.includes(key) });
  switch (layout) {
    case 'certbot':
      return [
        file(`${name}/cert.pem`, leafPem(pair)),
        file(`${name}/chain.pem`, issuersPem(pair)),
        file(`${name}/fullchain.pem`, chainPem(pair)),
        file(`${name}/privkey.pem`, key),
      ];
    case 'lego':
      return [
        file(`${name}.crt`, chainPem(pair)),
        file(`${name}.issuer.crt`, issuersPem(pair)),
        file(`${name}.key`, key),
      ];
    case 'combined':
      return [file(`${name}.pem`, `${chainPem(pair)}${key}`)];
    case 'pkcs12': {
      // Loaded where it is used: its ASN.1 is in no other agent's memory.
      const { encodePkcs12 } = await import('@certbus/client/pkcs12');
      const chain = pair.chain.map((der) => new X509Certificate(der));
      const content = await encodePkcs12({ chain, key: keyOf(pair), name }, password);
      return [{ path: `${name}${PKCS12}`, content, isSecret: true }];
    }
  }
}
