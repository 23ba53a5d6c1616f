import type { Directory } from './directory.ts';
import type { Logger } from './logger.ts';

/** What the CA answered about one resource. */
export interface Resource {
  /** `Location` where the CA gave one, otherwise the address that was asked. */
  readonly url: string;
  readonly status: number;
  /** Parsed JSON, or the text of a certificate chain. */
  readonly body: unknown;
  readonly retryAfter: Date | undefined;
}

/** How long a job may take, and what stops it. */
export interface SessionOptions {
  readonly signal: AbortSignal;
  /** Default 120,000. */
  readonly deadlineMs?: number | undefined;
}

/**
 * One job's conversation with a CA. Requests reject with `CERTBUS_ACME_UNREACHABLE`, `CERTBUS_ACME_NOT_ACME`,
 * `AcmeProblemError`, `CERTBUS_ACME_DEADLINE` or the signal's reason. Dispose of it to stop its deadline.
 */
export interface Session extends Disposable {
  /** Aborts with the caller's signal, and with `CERTBUS_ACME_DEADLINE` at the deadline. */
  readonly signal: AbortSignal;
  directory(): Promise<Directory>;
  /** Unsigned GET, as renewal information wants it. */
  get(url: string): Promise<Resource>;
  createAccount(request: Readonly<Record<string, unknown>>): Promise<Resource>;
  createOrder(request: Readonly<Record<string, unknown>>): Promise<Resource>;
  /** POST-as-GET (RFC 8555 §6.3). */
  read(url: string): Promise<Resource>;
  /** Tells the CA that a challenge can be checked. */
  answer(challengeUrl: string): Promise<Resource>;
  finalize(url: string, csr: Uint8Array): Promise<Resource>;
  /** Rejects at once with `CERTBUS_ACME_DEADLINE` where the wait would pass the deadline; its `notBefore` is the wait's end. */
  sleep(ms: number): Promise<void>;
}

/** A CA and an account there. Made by `createAcme`; the functions of this package take it first. */
export interface Acme {
  /** The directory's address. */
  readonly directory: string;
  /** RFC 7638 thumbprint of the account key. */
  readonly thumbprint: string;
  readonly logger: Logger;
  now(): Date;
  open(options: SessionOptions): Promise<Session>;
  /** Ends every connection. Jobs still under way fail. */
  close(): Promise<void>;
}
