/** What a TLS server was made with, as Node keeps it on the server: whichever options it came by, and as it was changed since. */
import type { SecureContextOptions, Server } from 'node:tls';

/** What it shows by itself. */
const IDENTITY = ['pfx', 'key', 'passphrase', 'cert', 'clientCertEngine', 'privateKeyIdentifier', 'privateKeyEngine'];

/** Everything else that `setSecureContext` takes: what is not given to it again ends, such as a lowest version or a CA of clients. */
const SETTINGS = [
  'allowPartialTrustChain',
  'ca',
  'ciphers',
  'crl',
  'dhparam',
  'ecdhCurve',
  'honorCipherOrder',
  'maxVersion',
  'minVersion',
  'secureOptions',
  'secureProtocol',
  'sessionIdContext',
  'sessionTimeout',
  'sigalgs',
];

/** These properties are not documented; one that a Node does not have is left out. */
function pick(server: Server, names: readonly string[]): SecureContextOptions {
  const kept = server as unknown as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    names.flatMap((name) => (kept[name] === undefined ? [] : [[name, kept[name]]])),
  ) as SecureContextOptions;
}

/** What a server judges the certificates of its clients by. */
export type ClientTrust = Pick<SecureContextOptions, 'allowPartialTrustChain' | 'ca' | 'crl'>;

/** By what a server judges its clients, as Node keeps it on the server. */
export function clientTrustOf(server: Server): ClientTrust {
  const { allowPartialTrustChain, ca, crl } = server as unknown as ClientTrust;
  return { allowPartialTrustChain, ca, crl } as ClientTrust;
}

/** The settings of a server, without key and certificate. */
export const settingsOf = (server: Server): SecureContextOptions => pick(server, SETTINGS);

/** Key and certificate of a server. */
export const identityOf = (server: Server): SecureContextOptions => pick(server, IDENTITY);

/** What a server makes the TLS of its connections of, which is not documented: `setSecureContext` puts another one in its place. */
export const sharedContextOf = (server: Server): unknown =>
  (server as unknown as { readonly _sharedCreds?: unknown })._sharedCreds;

/** Whether a server shows a certificate where a context without one is chosen: its own, or what it was given as its default. */
export function showsByItself(server: Server): boolean {
  const { cert, pfx } = server as unknown as Readonly<Record<string, unknown>>;
  return cert !== undefined || pfx !== undefined;
}
