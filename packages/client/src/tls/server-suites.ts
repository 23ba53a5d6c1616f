/** Which kinds of keys a server's cipher suites let it use before TLS 1.3. */
import { createSecureContext, DEFAULT_CIPHERS, type Server } from 'node:tls';
import { closeNative } from './contexts.ts';

/** Whether there is any cipher suite that an RSA key signs or decrypts for, and any for ECDSA and EdDSA. */
export interface SuiteKinds {
  readonly rsa: boolean;
  readonly ec: boolean;
}

const BOTH: SuiteKinds = { rsa: true, ec: true };
/** By the list, of which a program has few. */
const known = new Map<string, SuiteKinds>();

/** Suites that need neither kind of key: with a shared key or a password, by DSA, and without any proof of who the server is. */
const NEITHER = '!PSK:!SRP:!aDSS:!aNULL';

/** Whether anything is left of a list of OpenSSL without some suites: OpenSSL takes no list without a suite. */
function isAnyLeft(list: string, without: string): boolean {
  try {
    closeNative(createSecureContext({ ciphers: `${list}:${without}:${NEITHER}` }));
    return true;
  } catch {
    return false;
  }
}

/**
 * The kinds of a list of OpenSSL (openssl-ciphers(1)), whether it names suites one by one or has words for several, such as `ECDHE+aRSA`: OpenSSL itself
 * says what is in it. Suites of TLS 1.3 fit every key; a list of nothing else leaves both.
 */
function kindsIn(list: string): SuiteKinds {
  const kinds = { rsa: isAnyLeft(list, '!aECDSA'), ec: isAnyLeft(list, '!aRSA') };
  return kinds.rsa || kinds.ec ? kinds : BOTH;
}

/** The kinds of a server's suites. */
export function suiteKindsOf(server: Server): SuiteKinds {
  // Not documented; `setSecureContext` replaces it.
  const { ciphers: list = DEFAULT_CIPHERS } = server as unknown as { readonly ciphers?: string };
  const kinds = known.get(list) ?? kindsIn(list);
  known.set(list, kinds);
  return kinds;
}
