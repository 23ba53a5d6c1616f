/** What the sandbox needs of a CA and of a DNS server, whichever they are. */
import type { Home } from '../home.ts';

/** A DNS server whose answers can be set. */
export interface RunningDns {
  /** `ADDRESS:PORT` that answers DNS. */
  readonly dns: string;
  /** Where records are set, by challtestsrv's requests. */
  readonly url: string;
  stop(): Promise<void>;
}

/** A CA that validates for real. */
export interface RunningCa {
  /** What it is, for people. */
  readonly description: string;
  readonly directory: string;
  /** PEM to trust the ACME endpoint itself by. */
  readonly roots: string;
  /** PEM of the root of what it issues. */
  readonly issuedRoots: string;
  /** Where it validates HTTP-01. */
  readonly httpPort: number;
  /** Where it validates TLS-ALPN-01. */
  readonly tlsPort: number;
  /** How many orders it made, by its own count. */
  orders(): Promise<number>;
  stop(): Promise<void>;
}

/** What a CA is started with. */
export interface CaStart {
  /** `ADDRESS:PORT` of the DNS server that it asks. */
  readonly dnsServer: string;
  readonly httpPort: number;
  readonly tlsPort: number;
  /** What it keeps over restarts, where its kind can. Default nothing. */
  readonly home?: Home | undefined;
}

/** A kind of CA, with the DNS server that goes with it. */
export interface CaKind {
  /** Whether it can be the same CA after a restart. */
  readonly keepsState: boolean;
  startDns(home?: Home): Promise<RunningDns>;
  startCa(start: CaStart): Promise<RunningCa>;
}
