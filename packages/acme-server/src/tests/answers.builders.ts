/** Answers challenges on this machine. */
import { createHash, KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createWebServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createSecureContext, createServer as createTlsServer, type SecureContext } from 'node:tls';
import { type DnsServer, startDnsServer } from '../index.ts';
import { x509 } from '../server/x509.ts';

/** How the certificate for tls-alpn-01 differs from a right one. */
export interface AlpnOptions {
  readonly keyAuthorization: string;
  readonly names: readonly { readonly type: 'dns' | 'ip'; readonly value: string }[];
  readonly critical?: boolean;
}

/** Everything that a CA asks to validate, on ports of this machine. */
export interface Answers extends AsyncDisposable {
  readonly dns: DnsServer;
  readonly httpPort: number;
  readonly tlsPort: number;
  /** What the web server says, by path. */
  readonly pages: Map<string, string | ((response: ServerResponse) => void)>;
  /** Paths that were asked, with the Host header in front. */
  readonly asked: string[];
  /** What the TLS server shows, by server name. */
  presentAlpn(serverName: string, options: AlpnOptions): Promise<void>;
}

const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

async function createAlpnContext({ keyAuthorization, names, critical = true }: AlpnOptions): Promise<SecureContext> {
  const keys = await crypto.subtle.generateKey(EC, true, ['sign', 'verify']);
  const digest = createHash('sha256').update(keyAuthorization).digest();
  const octets = new Uint8Array([0x04, digest.length, ...digest]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=acme',
    keys,
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
    signingAlgorithm: EC,
    extensions: [
      new x509.SubjectAlternativeNameExtension([...names]),
      new x509.Extension('1.3.6.1.5.5.7.1.31', critical, octets),
    ],
  });
  const key = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString();
  return createSecureContext({ key, cert: certificate.toString('pem') });
}

/** Starts a DNS server, a web server and a TLS server that a test fills. */
export async function startAnswers(): Promise<Answers> {
  const dns = await startDnsServer();
  const pages: Answers['pages'] = new Map();
  const asked: string[] = [];
  const web = createWebServer(({ url = '', headers }, response) => {
    asked.push(`${headers.host ?? ''}${url}`);
    const page = pages.get(url);
    if (typeof page === 'function') page(response);
    else response.writeHead(page === undefined ? 404 : 200).end(page);
  });
  web.listen(0, '127.0.0.1');
  await once(web, 'listening');
  const contexts = new Map<string, SecureContext>();
  const tls = createTlsServer({
    ALPNProtocols: ['acme-tls/1'],
    SNICallback: (name, callback) => callback(null, contexts.get(name)),
  });
  tls.on('tlsClientError', () => {});
  tls.on('secureConnection', (socket) => socket.on('error', () => {}).resume());
  tls.listen(0, '127.0.0.1');
  await once(tls, 'listening');
  return {
    dns,
    httpPort: (web.address() as AddressInfo).port,
    tlsPort: (tls.address() as AddressInfo).port,
    pages,
    asked,
    async presentAlpn(serverName, options) {
      contexts.set(serverName, await createAlpnContext(options));
    },
    async [Symbol.asyncDispose]() {
      web.closeAllConnections();
      web.close();
      tls.close();
      await dns[Symbol.asyncDispose]();
    },
  };
}
