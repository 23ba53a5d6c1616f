/** Which kinds of keys a server's cipher suites let it use before TLS 1.3. */
import { DEFAULT_CIPHERS, getCiphers, type Server } from 'node:tls';

/** Whether there is any cipher suite that an RSA key signs or decrypts for, and any for ECDSA and EdDSA. */
export interface SuiteKinds {
  readonly rsa: boolean;
  readonly ec: boolean;
}

const BOTH: SuiteKinds = { rsa: true, ec: true };
/** By the list, of which a program has few. */
const known = new Map<string, SuiteKinds>();

/**
 * The kinds of a list of OpenSSL (openssl-ciphers(1)) that names its suites one by one. Where it has a word for several, such as `HIGH`, both are taken
 * to be there. Suites of TLS 1.3 fit every key, and those with a shared key or a password none.
 */
function kindsIn(list: string): SuiteKinds {
  const all = new Set(getCiphers());
  // What is excluded only makes a list of names shorter.
  const words = list.split(/[:,\s]+/).filter((word) => word !== '' && !/^[!@]/.test(word));
  const suites = words.map((word) => word.toLowerCase());
  if (!suites.every((suite) => all.has(suite))) return BOTH;
  const others = suites.filter((suite) => !/^tls_|^srp-|psk-/.test(suite));
  if (others.length === 0) return BOTH;
  const isEc = (suite: string) => suite.includes('-ecdsa-');
  return { rsa: !others.every(isEc), ec: others.some(isEc) };
}

/** The kinds of a server's suites. */
export function suiteKindsOf(server: Server): SuiteKinds {
  // Not documented; `setSecureContext` replaces it.
  const { ciphers: list = DEFAULT_CIPHERS } = server as unknown as { readonly ciphers?: string };
  const kinds = known.get(list) ?? kindsIn(list);
  known.set(list, kinds);
  return kinds;
}
