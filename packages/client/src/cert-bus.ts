import type { IncomingMessage, ServerResponse } from 'node:http';
import type { SecureContext, Server, TlsOptions } from 'node:tls';
import type { ArchivePlace, Bus } from '@certbus/store';
import type { ClientEvents } from './emitter.ts';
import type { Health } from './health.ts';
import type { SniCallback } from './tls/tls-server.ts';

export interface ConnectOptions {
  /** Address of the bus, or the bus itself. */
  readonly bus: string | Bus;
  /** This group's age identity: a path, or the text. */
  readonly identity: string;
  /** The bus's trust line: a path, or the text. */
  readonly trust: string;
  /**
   * Where archives and snapshots lie, `file:FOLDER` or `s3://BUCKET/PREFIX?region=…`, or the open place; default
   * `$CERTBUS_ARCHIVE`, or none. A new server of a large fleet starts from a snapshot in seconds.
   */
  readonly archive?: string | ArchivePlace | undefined;
  /** Folder of the replica; default `$CERTBUS_STATE_DIR`, `$STATE_DIRECTORY` or the platform's. */
  readonly stateDirectory?: string;
  /** `:memory:` for a replica that ends with the process; default a file. */
  readonly replica?: ':memory:';
  /** Time between two looks at a quiet bus, milliseconds; default 10,000. */
  readonly intervalMs?: number;
  /** How long a first start waits for an answer of the bus, milliseconds; default 10,000. A start from a replica never waits. */
  readonly startTimeoutMs?: number;
  /** TLS contexts kept at most; default 10,000, which take about 0.5 GB. */
  readonly cacheSize?: number;
  /**
   * The name or IP address whose certificate clients without a server name get, where no certificate is for the address that they
   * came to; default none, and they are refused. Where addresses are translated on the way, name the public one here.
   */
  readonly defaultName?: string;
  readonly now?: () => Date;
}

/** One managed certificate, for those who list. */
export interface CertificateSummary {
  readonly certificateId: string;
  readonly names: readonly string[];
  readonly serialNumber: string;
  readonly notAfter: Date;
}

/** A load balancer's connection to a bus. */
export interface CertBus extends AsyncDisposable {
  /** Options for `tls.createServer` and `https.createServer`, with yours. */
  tlsOptions<Options extends TlsOptions>(options?: Options): Options & { SNICallback: SniCallback };
  /** For servers that want only this. */
  readonly sniCallback: SniCallback;
  /**
   * Gives clients that name no server the certificate of the IP address that they came to, else that of `defaultName`; answers
   * TLS-ALPN-01 on the server's port, and ends resumed sessions of removed names. Call it once, with a server that was made with
   * the last `tlsOptions`, before it listens. Returns the server.
   */
  attach<S extends Server>(server: S): S;
  /** Answers HTTP-01 challenges; false, and nothing done, for any other request. */
  acmeHttpHandler(request: IncomingMessage, response: ServerResponse): boolean;
  /** The TLS context for a server name as a client typed it, or for an IP address; `undefined` where no certificate covers it. */
  secureContextFor(serverName: string): Promise<SecureContext | undefined>;
  health(): Health;
  certificates(): Iterable<CertificateSummary>;
  on<Event extends keyof ClientEvents>(event: Event, listener: (...args: ClientEvents[Event]) => void): this;
  /** Stops following and lets go of files. Servers go on with the contexts that they hold. */
  close(): Promise<void>;
}
