/** What is behind the handle of a CA: sessions with it, and what they share. Internal; users have `Acme`. */
import type { AccountKey } from '../account/account-key.ts';
import type { Breaker } from '../limits/breaker.ts';
import type { Deadline } from '../limits/deadline.ts';
import type { RateLimiter } from '../limits/rate-limiter.ts';
import type { DirectoryObject } from './directory.ts';
import type { Logger } from './logger.ts';
import type { Observe } from './observe.ts';

/** What the CA answered about one resource. */
export interface Resource {
  /** `Location` where the CA gave one, otherwise the address that was asked. */
  readonly url: string;
  readonly status: number;
  /** Parsed JSON, or the text of a certificate chain. */
  readonly body: unknown;
  readonly retryAfter: Date | undefined;
  /** When the CA answered, by its own clock, where it says so. */
  readonly answeredAt?: Date;
  /** Other certificate chains for the same leaf (RFC 8555 §7.4.2), all at the CA. */
  readonly alternates?: readonly string[];
}

/** How long a session may take, and what stops it. */
export interface SessionOptions {
  readonly signal: AbortSignal;
  /** Default 120,000. */
  readonly deadlineMs?: number | undefined;
}

/**
 * One conversation with a CA, up to a deadline. Requests reject with `CERTBUS_ACME_UNREACHABLE`, `CERTBUS_ACME_BREAKER_OPEN`,
 * `CERTBUS_ACME_NOT_ACME`, `AcmeProblemError`, `CERTBUS_ACME_DEADLINE` or the signal's reason. Dispose of it to stop its deadline.
 */
export interface Session extends Disposable, Deadline {
  /** The CA's directory object, kept for a day. */
  readDirectory(): Promise<DirectoryObject>;
  /** Unsigned GET, as renewal information wants it. */
  get(url: string): Promise<Resource>;
  createAccount(request: Readonly<Record<string, unknown>>): Promise<Resource>;
  /** The account of any key (RFC 8555 §7.3.1). Refused with `accountDoesNotExist` where it has none. */
  findAccount(key: AccountKey): Promise<Resource>;
  /** The account's URL; looked up by its key where it is not known yet. */
  accountUrl(): Promise<string>;
  /** The account's state now. */
  readAccount(): Promise<Resource>;
  updateAccount(request: Readonly<Record<string, unknown>>): Promise<Resource>;
  /** Puts another key in the place of the account's (RFC 8555 §7.3.5). From then on this session's requests are refused. */
  changeKey(newKey: AccountKey): Promise<Resource>;
  createOrder(request: Readonly<Record<string, unknown>>): Promise<Resource>;
  /** POST-as-GET (RFC 8555 §6.3). */
  read(url: string): Promise<Resource>;
  /** Tells the CA that a challenge can be checked. */
  answer(challengeUrl: string): Promise<Resource>;
  finalize(url: string, csr: Uint8Array): Promise<Resource>;
  /** Signed by the account, or by the certificate's own key (RFC 8555 §7.6). */
  revoke(request: Readonly<Record<string, unknown>>, certificateKey?: AccountKey): Promise<Resource>;
}

/** A CA and an account there, as this package uses it. */
export interface Engine {
  /** URL of the CA's directory. */
  readonly directory: string;
  /** RFC 7638 thumbprint of the account key. */
  readonly thumbprint: string;
  /** The account's URL, where it was known when this was made. */
  readonly accountUrl?: string | undefined;
  readonly logger: Logger;
  readonly limiter: RateLimiter;
  readonly breaker: Breaker;
  readonly observe: Observe;
  now(): Date;
  /** From 0 up to 1, for the jitter of waits. */
  random(): number;
  open(options: SessionOptions): Promise<Session>;
  close(): Promise<void>;
}
