/** The handle of a CA and an account there, and what it is made with. */
import type { ExternalAccount } from './account/external-account.ts';
import type { CaLimiter } from './limits/ca-limiter.ts';
import type { Http } from './wire/http.ts';
import type { Logger } from './wire/logger.ts';
import type { Observe } from './wire/observe.ts';
import type { Outgoing } from './wire/outgoing.ts';

declare const brand: unique symbol;

/** A CA and an account there. Made by `createAcme`; the functions of this package take it first. */
export interface Acme {
  /** URL of the CA's directory (RFC 8555 §7.1.1). */
  readonly directory: string;
  /** Ends every connection. Sessions still under way fail. */
  close(): Promise<void>;
  readonly [brand]: never;
}

/** How to reach a CA, and as which account. */
export interface AcmeOptions {
  /** URL of the CA's directory; https, except on loopback. */
  readonly directory: string;
  /** Account key, PKCS#8 PEM. */
  readonly accountKey: string;
  /** PEM of a private CA's roots: then these alone are trusted for its TLS. Default: Node's roots. */
  readonly roots?: string;
  /**
   * The way to the CA through a proxy, from `createOutgoing` of `@certbus/store/outgoing`. Default: the direct one, whatever the
   * environment contains.
   */
  readonly outgoing?: Outgoing | undefined;
  /** Sends the requests, in place of the package's own HTTP client; it then ignores `roots`, `outgoing` and `requestTimeoutMs`. */
  readonly http?: Http;
  /** The account's URL, where it is known. Default: looked up by the key. */
  readonly accountUrl?: string;
  /** Key of an account kept outside ACME, used when an account is created. */
  readonly eab?: ExternalAccount;
  /** Bound of one request. Default 30,000. */
  readonly requestTimeoutMs?: number;
  /** What keeps the CA's limits, and stops asking while it is down. Share one per CA. Default: one of its own. */
  readonly limiter?: CaLimiter;
  /** Receives what happens, for metrics; see `createAcmeCounters`. Default: nothing does. */
  readonly observe?: Observe;
  /** From 0 up to 1, for the jitter of waits. Default `Math.random`. */
  readonly random?: () => number;
  /** Default: the system's clock. */
  readonly now?: () => Date;
  /** Default: a timer. */
  readonly sleep?: (ms: number, options: { readonly signal: AbortSignal }) => Promise<void>;
  /** Default: silent. */
  readonly logger?: Logger;
}
