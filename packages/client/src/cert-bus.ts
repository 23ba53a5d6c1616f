/** What `connect` takes and gives. */
import type { SecureServerOptions } from 'node:http2';
import type { ServerOptions as HttpsOptions } from 'node:https';
import type { SecureContext, Server, TlsOptions } from 'node:tls';
import type { Health } from './health.ts';
import type { ChallengeRequest, ChallengeResponse } from './http-01.ts';
import type { MaterialEvents } from './serving/events.ts';
import type { CertificateSummary } from './serving/material-source.ts';
import type { MaterialOptions } from './serving/options.ts';
import type { SniCallback } from './tls/tls-server.ts';

/** What a client tells its program. */
export type ClientEvents = Omit<MaterialEvents, 'moved'>;

/** Where the bus is, who this server is, and how it serves. */
export interface ConnectOptions extends MaterialOptions {
  /** TLS contexts kept at most; default 10,000, which take about 0.5 GB. */
  readonly cacheSize?: number;
  /**
   * The name or IP address whose certificate clients without a server name get, where no certificate is for the address that they
   * came to; default none, and they are refused. Where addresses are translated on the way, name the public one here.
   */
  readonly defaultName?: string;
}

/** What servers on TLS are made with: those of `node:tls`, `node:https` and `node:http2`. */
export type ServerOptions = TlsOptions | HttpsOptions | SecureServerOptions;

/** A load balancer's connection to a bus. */
export interface CertBus extends AsyncDisposable {
  /** Options for `createServer` of `node:tls` and `node:https` and `createSecureServer` of `node:http2`, with yours. */
  tlsOptions<Options extends ServerOptions = TlsOptions>(options?: Options): Options & { SNICallback: SniCallback };
  /**
   * For servers that want only this. Where a name has certificates of several key types it shows the one that ranks first, an RSA one where there
   * is one, since a callback is not told what the client can use.
   */
  readonly sniCallback: SniCallback;
  /**
   * Gives clients that name no server the certificate of the IP address that they came to, else that of `defaultName`; gives each client a key
   * type that it can use, where a name has several; answers TLS-ALPN-01 on the server's port, and ends resumed sessions of removed names. Call
   * it once, before the server listens. What the server was made with apart from its key and certificate stays. Returns the server.
   */
  attach<S extends Server>(server: S): S;
  /** Answers HTTP-01 challenges, of `node:http` and `node:http2`; false, and nothing done, for any other request. Never throws. */
  acmeHttpHandler(request: ChallengeRequest, response: ChallengeResponse): boolean;
  /**
   * The TLS context for a server name as a client typed it, or for an IP address; `undefined` where no certificate covers it. It can be held for
   * any time, also after a renewal or a removal: it goes on showing what it was made of.
   */
  secureContextFor(serverName: string): Promise<SecureContext | undefined>;
  health(): Health;
  certificates(): Iterable<CertificateSummary>;
  on<Event extends keyof ClientEvents>(event: Event, listener: (...args: ClientEvents[Event]) => void): this;
  /** Stops following and closes files. Servers go on with the contexts that they hold. */
  close(): Promise<void>;
}
