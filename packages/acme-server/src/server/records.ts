/** What the CA keeps: accounts, orders, authorizations, certificates. */
import { randomBytes } from 'node:crypto';
import type { Identifier } from './identifier.ts';
import type { ProblemDocument } from './problem-document.ts';
import type { AccountPublicKey } from './public-key.ts';

/** An account (RFC 8555 §7.1.2). */
export interface Account {
  readonly id: string;
  publicKey: AccountPublicKey;
  status: 'valid' | 'deactivated';
  contact: readonly string[];
  readonly createdAt: Date;
  /** Key identifier of the account outside ACME that it is bound to. */
  readonly externalAccount?: string;
}

/** Challenge types known here. */
export const CHALLENGE_TYPES = ['http-01', 'dns-01', 'tls-alpn-01', 'dns-account-01', 'dns-persist-01'] as const;

/** One of {@link CHALLENGE_TYPES}. */
export type ChallengeType = (typeof CHALLENGE_TYPES)[number];

/** A challenge (RFC 8555 §7.1.5). */
export interface Challenge {
  readonly id: string;
  readonly type: ChallengeType;
  readonly token: string;
  status: 'pending' | 'processing' | 'valid' | 'invalid';
  /** Whether a validation of it runs. */
  isChecked: boolean;
  validatedAt?: Date;
  error?: ProblemDocument;
}

/** An authorization (RFC 8555 §7.1.4). */
export interface Authorization {
  readonly id: string;
  readonly account: Account;
  /** Without the `*.` of a wildcard. */
  readonly identifier: Identifier;
  readonly isWildcard: boolean;
  readonly profile: string;
  status: 'pending' | 'valid' | 'invalid' | 'deactivated' | 'revoked';
  expires: Date;
  readonly challenges: readonly Challenge[];
}

/** Dates of a certificate. */
export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** An order (RFC 8555 §7.1.3). Its status follows from the rest, see `order-status.ts`. */
export interface Order {
  readonly id: string;
  readonly account: Account;
  readonly identifiers: readonly Identifier[];
  readonly profile: string;
  /** Identifier of the certificate that is replaced (RFC 9773 §5). */
  readonly replaces?: string;
  readonly isRenewal: boolean;
  readonly authorizations: readonly Authorization[];
  readonly expires: Date;
  readonly createdAt: Date;
  /** Dates of the certificate to come, where the order fixes them. */
  readonly validity?: Validity;
  /** Accepted for issuance, which is done at `doneAt`. */
  finalizing?: { readonly doneAt: Date };
  error?: ProblemDocument;
  certificate?: IssuedCertificate;
}

/** A certificate and what became of it. */
export interface IssuedCertificate extends Validity {
  /** Hexadecimal, two digits a byte, as in the DER: with the leading zero of a number whose top bit is set. */
  readonly serial: string;
  /** Name in renewal information (RFC 9773 §4.1). */
  readonly certificateId: string;
  readonly account: Account;
  readonly identifiers: readonly Identifier[];
  readonly profile: string;
  /** The leaf in DER. */
  readonly leaf: Buffer;
  /** PEM chains, the default one first, each without its root. */
  readonly chains: readonly string[];
  /** Id of the order that replaces it. */
  replacedBy?: string;
  revoked?: { readonly at: Date; readonly reason: number };
}

/** Everything that the CA knows, in memory. */
export interface Records {
  readonly accounts: Map<string, Account>;
  readonly orders: Map<string, Order>;
  readonly authorizations: Map<string, Authorization>;
  readonly challenges: Map<string, { readonly challenge: Challenge; readonly authorization: Authorization }>;
  /** By serial number. */
  readonly certificates: Map<string, IssuedCertificate>;
}

/** Starts with nothing. */
export function createRecords(): Records {
  return {
    accounts: new Map(),
    orders: new Map(),
    authorizations: new Map(),
    challenges: new Map(),
    certificates: new Map(),
  };
}

/** A name for a record, as hard to guess as a token (RFC 8555 §11.3). */
export function createId(): string {
  return randomBytes(16).toString('base64url');
}

/** The account that has this key, deactivated ones included. */
export function accountOfKey({ accounts }: Records, { thumbprint }: AccountPublicKey): Account | undefined {
  return [...accounts.values()].find(({ publicKey }) => publicKey.thumbprint === thumbprint);
}
