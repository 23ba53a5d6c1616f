/** What a process that serves certificates is told. */
import type { ArchivePlace, Bus } from '@certbus/store';
import type { ProxySetting } from '@certbus/store/outgoing';
import type { CheckIn } from '../reporting/check-ins.ts';
import type { Logger } from '../reporting/logger.ts';

/** Where the bus is, who this server is, and where it keeps its replica. */
export interface MaterialOptions {
  /** Address of the bus, or the bus itself. */
  readonly bus: string | Bus;
  /** This group's age identity: a path, or the text. */
  readonly identity: string;
  /** The bus's trust file, `bus.pub`: its path, or its one or two lines. Nothing is begun on a bus that ends below the floor in it. */
  readonly trust: string;
  /**
   * Where archives and snapshots are, `file:FOLDER` or `s3://BUCKET/PREFIX?region=…`, or the open place; default
   * `$CERTBUS_ARCHIVE`, or none. A new server of a large fleet starts from a snapshot in seconds.
   */
  readonly archive?: string | ArchivePlace | undefined;
  /**
   * The proxy to a bus and an archive in AWS: its URL, or `{ url, noProxy }`; `false` for none. Default: what HTTPS_PROXY, HTTP_PROXY,
   * ALL_PROXY and NO_PROXY say.
   */
  readonly proxy?: ProxySetting | undefined;
  /** Folder of the replica; default `$CERTBUS_STATE_DIR`, `$STATE_DIRECTORY` or the platform's. */
  readonly stateDirectory?: string;
  /** `:memory:` for a replica that ends with the process; default a file. */
  readonly replica?: ':memory:';
  /** Time between two looks at a quiet bus, milliseconds; default 10,000, an hour at most. */
  readonly intervalMs?: number;
  /**
   * How long a first start waits for an answer of the bus, milliseconds; default 10,000, `Infinity` without an end. A start from a replica never
   * waits.
   */
  readonly startTimeoutMs?: number;
  /** Ends a first start that waits for the bus: it rejects with the reason of this signal. Default none. */
  readonly signal?: AbortSignal | undefined;
  /**
   * What becomes of certificates that have ended: `serve`, they are shown where there is nothing better, and clients decide; or `refuse`, they
   * are treated as if there were none. Default `serve`.
   */
  readonly expired?: 'serve' | 'refuse';
  /** A URL of a dead man's switch for this server, called every 5 minutes while it is in order; or `{ url, everyMs }`. Default none. */
  readonly checkIn?: string | CheckIn;
  /** Takes what the client does, such as `console`; default silent. Lines about names without a certificate are 10 a minute at most. */
  readonly logger?: Logger;
  readonly now?: () => Date;
}
