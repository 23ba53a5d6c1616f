/** Validates tls-alpn-01 (RFC 8737). */
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import type { Identifier } from '../identifier.ts';
import { groupsOf } from '../ip-address.ts';
import { ProblemDocument } from '../problem-document.ts';
import { x509 } from '../x509.ts';
import type { MethodContext } from './method.ts';

const PROTOCOL = 'acme-tls/1';
/** id-pe-acmeIdentifier. */
const ACME_IDENTIFIER = '1.3.6.1.5.5.7.1.31';

/** RFC 8738 §6: an address is asked for by its name in reverse DNS. */
function serverNameOf({ type, value }: Identifier): string {
  if (type === 'dns') return value;
  if (isIP(value) === 4) return `${value.split('.').toReversed().join('.')}.in-addr.arpa`;
  const nibbles = groupsOf(value).join('');
  return `${[...nibbles].toReversed().join('.')}.ip6.arpa`;
}

interface Handshake {
  readonly protocol: string | false | null;
  readonly certificate: Buffer | undefined;
}

function shakeHands({ settings, authorization, signal }: MethodContext, host: string): Promise<Handshake> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port: settings.validation.tlsPort,
      servername: serverNameOf(authorization.identifier),
      ALPNProtocols: [PROTOCOL],
      // RFC 8737 §3: the certificate is signed by itself alone.
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
    });
    const give = (end: () => void) => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      end();
    };
    const onAbort = () => give(() => reject(signal.reason));
    signal.addEventListener('abort', onAbort);
    socket.once('error', (error) => give(() => reject(error)));
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate()?.raw;
      const protocol = socket.alpnProtocol;
      give(() => resolve({ protocol, certificate }));
    });
  });
}

function checkNames(certificate: x509.X509Certificate, { type, value }: Identifier): void {
  const extension = certificate.getExtension(x509.SubjectAlternativeNameExtension);
  const names = extension?.names.items ?? [];
  const [only] = names;
  const isRight = names.length === 1 && only?.type === type && only.value.toLowerCase() === value;
  if (!isRight) throw refused(`its only alternative name must be ${value}`);
}

function checkIdentifier(certificate: x509.X509Certificate, keyAuthorization: string): void {
  const extension = certificate.getExtension(ACME_IDENTIFIER);
  if (!extension) throw refused('it has no acmeIdentifier extension');
  if (!extension.critical) throw refused('its acmeIdentifier extension is not critical');
  const digest = createHash('sha256').update(keyAuthorization).digest();
  // RFC 8737 §3: an OCTET STRING of the digest.
  if (Buffer.from(extension.value).equals(Buffer.concat([Buffer.from([0x04, digest.length]), digest]))) return;
  throw refused('its acmeIdentifier extension holds another digest');
}

function refused(why: string): ProblemDocument {
  return new ProblemDocument('unauthorized', `The certificate for tls-alpn-01 is wrong: ${why}`);
}

function isTlsError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^ERR_(?:SSL|TLS)/.test(String(error.code));
}

async function connectToAny(context: MethodContext, addresses: readonly string[]): Promise<Handshake> {
  let failure: unknown = new Error('no address');
  for (const address of addresses) {
    try {
      return await shakeHands(context, address);
    } catch (error) {
      failure = error;
    }
  }
  const why = failure instanceof Error ? failure.message : String(failure);
  throw new ProblemDocument(isTlsError(failure) ? 'tls' : 'connection', `${addresses.join(', ')}: ${why}`);
}

/** RFC 8737 §3. */
export async function validateTlsAlpn01(context: MethodContext): Promise<void> {
  const { identifier } = context.authorization;
  const addresses = identifier.type === 'ip' ? [identifier.value] : await context.dns.addresses(identifier.value);
  const { protocol, certificate } = await connectToAny(context, addresses);
  if (protocol !== PROTOCOL) throw new ProblemDocument('unauthorized', `The server did not negotiate ${PROTOCOL}`);
  if (!certificate) throw new ProblemDocument('tls', 'The server sent no certificate');
  const parsed = new x509.X509Certificate(new Uint8Array(certificate));
  if (parsed.subject !== parsed.issuer) throw refused('it is not signed by itself');
  checkNames(parsed, identifier);
  checkIdentifier(parsed, context.keyAuthorization);
}
