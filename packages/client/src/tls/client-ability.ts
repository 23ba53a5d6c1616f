/** Which of a server's key types a TLS client can use. */
import type { TLSSocket } from 'node:tls';
import type { KeyType } from '../serving/key-type.ts';
import type { ClientHello } from './client-hello.ts';
import type { SuiteKinds } from './server-suites.ts';

/** Which key types a client can use. */
export interface ClientAbility {
  /** The same for clients that can use the same. */
  readonly key: string;
  canUse(keyType: KeyType): boolean;
}

/** How a certificate's key signs: the names that Node gives to signature algorithms, in TLS 1.3 and before (RFC 8446 section 4.2.3). */
const SIGNATURES: Readonly<Record<Exclude<KeyType, 'other'>, { readonly tls13: RegExp; readonly tls12: RegExp }>> = {
  rsa: { tls13: /^RSA-PSS\+/, tls12: /^RSA(?:-PSS)?\+/ },
  'p-256': { tls13: /^ECDSA\+SHA256$/, tls12: /^ECDSA\+/ },
  'p-384': { tls13: /^ECDSA\+SHA384$/, tls12: /^ECDSA\+/ },
  'p-521': { tls13: /^ECDSA\+SHA512$/, tls12: /^ECDSA\+/ },
  ed25519: { tls13: /^Ed25519/i, tls12: /^Ed25519/i },
};
/** The curve that a key is on: in TLS 1.2 a client has to support it, too (RFC 8422 section 5.1.1). */
const CURVES: Readonly<Partial<Record<KeyType, number>>> = { 'p-256': 23, 'p-384': 24, 'p-521': 25 };
const KEY_TYPES = Object.keys(SIGNATURES) as (keyof typeof SIGNATURES)[];

/** Cipher suites of TLS 1.2 whose key exchange an ECDSA or EdDSA key signs (RFC 5289, RFC 7905, RFC 8422). */
const isSignedByEc = (suite: number): boolean =>
  (suite >= 0xc006 && suite <= 0xc00a) ||
  [0xc023, 0xc024, 0xc02b, 0xc02c, 0xc0ac, 0xc0ad, 0xc0ae, 0xc0af, 0xcca9].includes(suite);

/** Those that need an RSA key. */
const isOfRsa = (suite: number): boolean =>
  (suite >= 0xc010 && suite <= 0xc014) ||
  [0xc027, 0xc028, 0xc02f, 0xc030, 0xcca8].includes(suite) ||
  // With finite-field Diffie-Hellman, and the key exchange by RSA itself.
  [0x0033, 0x0039, 0x0067, 0x006b, 0x009e, 0x009f, 0xccaa].includes(suite) ||
  [0x000a, 0x002f, 0x0035, 0x003c, 0x003d, 0x009c, 0x009d].includes(suite);

/**
 * What a client in the middle of its handshake can use, by what TLS has negotiated so far. In TLS 1.2 cipher suites and curves decide as well: those of
 * the server, and those of the client, which only its ClientHello shows: without it all of them are taken to be there.
 */
export function abilityOf(socket: TLSSocket, hello: ClientHello | undefined, server: SuiteKinds): ClientAbility {
  const algorithms = socket.getSharedSigalgs();
  const isTls13 = socket.getProtocol() === 'TLSv1.3';
  const { cipherSuites: suites, groups } = (isTls13 ? undefined : hello) ?? {};
  const isServed = (keyType: KeyType) => isTls13 || (keyType === 'rsa' ? server.rsa : server.ec);
  const hasSuite = (keyType: KeyType) =>
    isServed(keyType) && (!suites || suites.some(keyType === 'rsa' ? isOfRsa : isSignedByEc));
  const hasCurve = (keyType: KeyType) => {
    const curve = CURVES[keyType];
    return curve === undefined || !groups || groups.includes(curve);
  };
  const signs = (keyType: keyof typeof SIGNATURES) => {
    // Clients before TLS 1.3 need not name any.
    if (algorithms.length === 0) return true;
    const { tls13, tls12 } = SIGNATURES[keyType];
    return algorithms.some((algorithm) => (isTls13 ? tls13 : tls12).test(algorithm));
  };
  const usable = new Set<KeyType>(
    KEY_TYPES.filter((keyType) => signs(keyType) && hasSuite(keyType) && hasCurve(keyType)),
  );
  return { key: [...usable].join(), canUse: (keyType) => keyType === 'other' || usable.has(keyType) };
}
