/** What the sandbox needs of a CA and of a DNS server, whichever they are. */
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
}

/** A kind of CA, with the DNS server that goes with it. */
export interface CaKind {
  startDns(): Promise<RunningDns>;
  startCa(start: CaStart): Promise<RunningCa>;
}
