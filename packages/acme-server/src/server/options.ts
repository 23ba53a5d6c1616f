/** The options of the server, and the settings that they become. */
import type { KeyAlgorithm } from './hierarchy.ts';
import type { RateLimits } from './limits/rate-limits.ts';
import { letsEncryptProfiles, type Profile } from './profile.ts';
import { CHALLENGE_TYPES, type ChallengeType } from './records.ts';

/** How challenges are validated. */
export interface ValidationOptions {
  /** `ADDRESS:PORT` of the DNS server to ask; the system's where absent. */
  readonly dnsServer?: string;
  /** Where http-01 asks. Default 80. */
  readonly httpPort?: number;
  /** Where tls-alpn-01 asks, and redirects of http-01 to https. Default 443. */
  readonly tlsPort?: number;
  /** Further ports that redirects of http-01 may lead to. Default none, as at Let's Encrypt. */
  readonly redirectPorts?: readonly number[];
  /** Pause before a validation, milliseconds of real time. Default 0. */
  readonly delayMs?: number;
  /** Bound of one validation, milliseconds; of one try of a question to DNS, a fifth of it, and two seconds at least. Default 10,000. */
  readonly timeoutMs?: number;
  /** Whether CAA records (RFC 8659, RFC 8657) may forbid issuance. Default false. */
  readonly checkCaa?: boolean;
  /** Passes every challenge without looking, for load tests. Default false. */
  readonly alwaysValid?: boolean;
  /**
   * State of a challenge after a validation that failed. `invalid` ends its authorization, as at Let's Encrypt. With `pending` (step-ca) and
   * `processing` it stays open with its error, and is validated again each time that it is answered (RFC 8555 §8.2). Default `invalid`.
   */
  readonly failedStatus?: 'invalid' | 'pending' | 'processing';
}

/**
 * Whether keys of accounts can be changed: `offered`; `not-implemented`, where the directory names keyChange, which answers 501, as
 * step-ca and Caddy do; or `absent`, where the directory does not name it, and nothing is there.
 */
export type KeyChange = 'offered' | 'not-implemented' | 'absent';

/** A key that the CA gave out over another channel (RFC 8555 §7.3.4). */
export interface ExternalAccountKey {
  readonly kid: string;
  /** base64url. */
  readonly hmacKey: string;
}

/** What a server is like; every part has a default. */
export interface AcmeServerOptions {
  /** Port on 127.0.0.1. Default 0: one that is free. */
  readonly port?: number;
  /**
   * Folder in which it keeps the keys of its hierarchy and of its own address, accounts and certificates, so that it is the same CA
   * after a restart; made with mode 0700. Orders and authorizations end with the server. Default none: everything is in memory.
   */
  readonly stateFolder?: string;
  /** The clock under the server's own, which can be advanced. Default: the system's. */
  readonly now?: () => Date;
  /** Between 0 and 1: decides the order of challenges, and which nonces are refused. Default `Math.random`. */
  readonly random?: () => number;
  /** Terms that a new account has to agree to; `null` for none. Default an address that does not exist. */
  readonly termsOfService?: string | null;
  /** Default an address that does not exist. */
  readonly website?: string;
  /** Names of this CA in CAA and dns-persist-01 records. Default `ca.test`. */
  readonly caaIdentities?: readonly string[];
  /** Keys that bind an account to one outside ACME; each takes one account. Default none. */
  readonly externalAccounts?: readonly ExternalAccountKey[];
  /** Whether an account must be bound. Default false. */
  readonly externalAccountRequired?: boolean;
  /** Default `offered`. */
  readonly keyChange?: KeyChange;
  /** By name; the first is the default. Default {@link letsEncryptProfiles}. */
  readonly profiles?: Readonly<Record<string, Profile>>;
  /** Challenges to offer where an identifier can have them. Default all. */
  readonly challengeTypes?: readonly ChallengeType[];
  readonly validation?: ValidationOptions;
  /** Names, with all below them, that are refused with `rejectedIdentifier`. Default none. */
  readonly blockedNames?: readonly string[];
  /**
   * Whether the dates of a certificate are fixed by its order, which shows them, as at step-ca: a finalization after `notAfter` is answered with
   * status 500, and leaves the order ready. Default false: they count from the finalization.
   */
  readonly fixesDates?: boolean;
  /** Time on the server's clock from finalization to the certificate, milliseconds. Default 0: issued in the answer. */
  readonly finalizeDelayMs?: number;
  /** `Retry-After` of orders and authorizations that are being worked on, seconds; `null` for none. Default none. */
  readonly pollRetryAfterS?: number | null;
  /** Whether an order for the same names that is still open is given again, as Let's Encrypt does. Default false. */
  readonly reuseOrders?: boolean;
  /** Whether valid authorizations count for further orders, as at Let's Encrypt. Default false. */
  readonly reuseAuthorizations?: boolean;
  /** Default ECDSA. */
  readonly keyAlgorithm?: KeyAlgorithm;
  /** Roots that vouch for what is issued; each after the first gives an alternate chain. Default 2. */
  readonly roots?: number;
  /** Intermediates in a chain. Default 1. */
  readonly intermediates?: number;
  /** `Retry-After` of renewal information, seconds. Default six hours. */
  readonly renewalRetryAfterS?: number;
  /** Share of good nonces that are refused. Default 0. */
  readonly nonceRejectPercent?: number;
  /** Default none. */
  readonly limits?: RateLimits;
}

/** Options with nothing left open. */
export interface Settings
  extends Required<Omit<AcmeServerOptions, 'validation' | 'now' | 'random' | 'port' | 'stateFolder'>> {
  readonly validation: Required<Omit<ValidationOptions, 'dnsServer'>> & { readonly dnsServer: string | undefined };
  readonly defaultProfile: string;
}

const RENEWAL_RETRY_S = 21_600;

/** Fills in the defaults. Throws `TypeError` where there is no profile. */
export function settingsOf(options: AcmeServerOptions): Settings {
  const { profiles = letsEncryptProfiles, validation = {} } = options;
  const [defaultProfile] = Object.keys(profiles);
  if (defaultProfile === undefined) throw new TypeError('A CA needs at least one profile');
  return {
    termsOfService: 'https://ca.test/terms',
    website: 'https://ca.test/',
    caaIdentities: ['ca.test'],
    externalAccounts: [],
    externalAccountRequired: false,
    keyChange: 'offered',
    challengeTypes: CHALLENGE_TYPES,
    blockedNames: [],
    fixesDates: false,
    finalizeDelayMs: 0,
    pollRetryAfterS: null,
    reuseOrders: false,
    reuseAuthorizations: false,
    keyAlgorithm: 'ecdsa',
    roots: 2,
    intermediates: 1,
    renewalRetryAfterS: RENEWAL_RETRY_S,
    nonceRejectPercent: 0,
    limits: {},
    ...options,
    profiles,
    defaultProfile,
    validation: {
      dnsServer: undefined,
      httpPort: 80,
      tlsPort: 443,
      redirectPorts: [],
      delayMs: 0,
      timeoutMs: 10_000,
      checkCaa: false,
      alwaysValid: false,
      failedStatus: 'invalid',
      ...validation,
    },
  };
}
