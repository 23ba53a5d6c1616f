/** Looks at a tls-alpn-01 answer from outside. */
import { connect, type TLSSocket } from 'node:tls';
import type { Solver } from '@certbus/acme';
import { isAddress, reverseNameOf } from '@certbus/acme/solver-kit';
import { objectionToCertificate } from './acme-identifier.ts';
import { type Ask, awaitEveryAddress, type ProbeOptions, type Verdict } from './every-address.ts';

/** How to look at tls-alpn-01 answers from outside. */
export interface TlsAlpn01ProbeOptions extends ProbeOptions {
  /** Port that the names are asked on. Default 443, the only one that a public CA uses. */
  readonly port?: number | undefined;
}

const PROTOCOL = 'acme-tls/1';

/** What a server shows to a handshake that speaks this protocol alone. */
function shakeHands({
  address,
  port,
  name,
  signal,
}: {
  readonly address: string;
  readonly port: number;
  readonly name: string;
  readonly signal: AbortSignal;
}): Promise<{ readonly protocol: string | false | null; readonly certificate: Uint8Array | undefined }> {
  const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<typeof shakeHands>>>();
  const socket: TLSSocket = connect({
    host: address,
    port,
    servername: isAddress(name) ? reverseNameOf(name) : name,
    ALPNProtocols: [PROTOCOL],
    // It is made for this look alone, and signed by itself (RFC 8737 §3).
    rejectUnauthorized: false,
  });
  const stop = () => socket.destroy(new Error('stopped'));
  signal.addEventListener('abort', stop, { once: true });
  socket.on('error', reject);
  socket.on('secureConnect', () => {
    resolve({ protocol: socket.alpnProtocol, certificate: socket.getPeerX509Certificate()?.raw });
    socket.destroy();
  });
  socket.on('close', () => {
    signal.removeEventListener('abort', stop);
    reject(new Error('the connection was ended'));
  });
  if (signal.aborted) stop();
  return promise;
}

/**
 * Waits until every address of every name shows the challenge's certificate to a handshake for `acme-tls/1`, as a CA would look (RFC 8737
 * §3, RFC 8738 §6). Rejects as {@link awaitEveryAddress}.
 */
export function awaitTlsAlpn01(advice: string, { port = 443, ...options }: TlsAlpn01ProbeOptions): Solver['ready'] {
  const ask: Ask = async (challenge, { address, signal }): Promise<Verdict> => {
    const { protocol, certificate } = await shakeHands({ address, port, name: challenge.name, signal });
    if (protocol !== PROTOCOL) return { kind: 'wrong', why: `does not speak ${PROTOCOL}` };
    const objection = certificate ? objectionToCertificate(certificate, challenge) : 'shows no certificate';
    return objection ? { kind: 'wrong', why: objection } : { kind: 'right', why: '' };
  };
  return awaitEveryAddress(ask, { ...options, advice: `port ${port}). ${advice}` });
}
