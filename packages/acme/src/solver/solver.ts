/** The port that presents challenges, and what it is given. */
import type { PersistentGrant } from '../order/persistent-record.ts';

/** Challenge types that this package answers. */
export type SolvableChallenge = 'dns-01' | 'dns-account-01' | 'dns-persist-01' | 'http-01' | 'tls-alpn-01';

/** A challenge of one name, with all that a solver may need to answer it (RFC 8555 §8.3, §8.4, RFC 8737 §3). */
export interface PresentedChallenge {
  readonly type: SolvableChallenge;
  /** The name to prove, without `*.`, or the IP address. */
  readonly name: string;
  /** Empty for dns-persist-01, which has none. */
  readonly token: string;
  /** What http-01 serves at `/.well-known/acme-challenge/TOKEN`. */
  readonly keyAuthorization: string;
  /**
   * Where the CA looks in DNS: `_acme-challenge.NAME` for dns-01, a label of the account's own before that for dns-account-01
   * (draft-ietf-acme-dns-account-label-02), `_validation-persist.NAME` for dns-persist-01.
   */
  readonly dnsName: string;
  /** What the TXT record there says. */
  readonly dnsValue: string;
  /** For dns-persist-01: what a standing record has to allow; one that allows it in other words will do. */
  readonly grant?: PersistentGrant;
}

/** What a wait for answers has come to. */
export interface Waiting {
  /** What the last look found, in words for people, without tokens and key authorizations. */
  readonly why: string;
  /** When the wait is given up. */
  readonly until: Date;
}

/** How to wait until answers are visible. */
export interface ReadyOptions {
  readonly signal: AbortSignal;
  /** Called when what is waited for has changed. */
  readonly onWaiting?: ((waiting: Waiting) => void) | undefined;
  /** Called with what does not stop the order and will be a problem later, in words for people. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Port: makes answers to challenges visible to the CA, and takes them away again. All challenges of an order come in one call. A
 * name can come twice, with different values (a wildcard and its apex): both MUST be visible together. Each operation MUST stop
 * soon after `signal` aborts and reject with its reason, and MUST be safe to repeat, also by another process.
 */
export interface Solver {
  /** The types that it answers. */
  readonly challenges: readonly SolvableChallenge[];
  /** Publishes the answers. MUST leave values of others under the same name alone. */
  present(challenges: readonly PresentedChallenge[], options: { readonly signal: AbortSignal }): Promise<void>;
  /**
   * Resolves when the CA would see the answers. Called once after `present`, with the same challenges. A solver that looks again and
   * again SHOULD report by `onWaiting` what it waits for.
   */
  ready(challenges: readonly PresentedChallenge[], options: ReadyOptions): Promise<void>;
  /** Takes away exactly these answers. MUST succeed where they are not there. */
  cleanUp(challenges: readonly PresentedChallenge[], options: { readonly signal: AbortSignal }): Promise<void>;
}
