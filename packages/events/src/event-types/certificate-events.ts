/** Events about one managed certificate, from its claim to its removal. */

/** How control of a name can be proved: RFC 8555 section 8, RFC 8737, and two drafts of the ACME working group. */
export const CHALLENGE_TYPES = ['dns-01', 'dns-account-01', 'dns-persist-01', 'http-01', 'tls-alpn-01'] as const;

/** How control of a name is proved. */
export type ChallengeType = (typeof CHALLENGE_TYPES)[number];

/** What keys of certificates are made of. */
export const KEY_TYPES = ['P-256', 'P-384', 'RSA-2048', 'RSA-3072', 'RSA-4096'] as const;

/** The key of a certificate: a curve, or the length of an RSA modulus in bits. */
export type KeyType = (typeof KEY_TYPES)[number];

/** How many names a certificate on a bus has at most. */
export const MAX_NAMES = 100;

/** How many issuers a certificate on a bus has at most, its root left out. */
export const MAX_ISSUERS = 10;

/** The serial number of a certificate on a bus: hexadecimal, up to 32 bytes. */
export const SERIAL_NUMBER: RegExp = /^[0-9A-F]{1,64}$/;

/** The classes of failures that this release knows, as they are written on the bus. */
export const FAILURE_CLASSES = [
  'temporary',
  'rate-limited',
  'account',
  'authority',
  'permanent-name',
  'permanent-request',
  'operator-action',
] as const;

/**
 * How to treat a failure. `temporary`: try again soon; `rate-limited`: after the time that the CA named; `account`: all orders of the
 * account fail; `authority`: the CA as a whole fails; `permanent-name`: this name will not pass until somebody acts;
 * `permanent-request`: the same request will never pass; `operator-action`: a person has to do something at the CA.
 *
 * A class that a later release wrote is read as `unknown`, and treated as `temporary` is.
 */
export type FailureClass = (typeof FAILURE_CLASSES)[number] | 'unknown';

/** Why an issuance was started. */
export type IssuanceReason = 'new' | 'renewal';

/**
 * A claim: "I am making this order until `until`". It carries the CSR and the sealed private key, so that the manager
 * that resumes the order needs nothing else, and only a recipient ever holds the key.
 */
export interface IssuanceStarted {
  readonly type: 'IssuanceStarted';
  readonly issuanceId: string;
  readonly certificateId: string;
  /** A-labels in lower case, without trailing dot, and IP addresses, sorted. */
  readonly names: readonly string[];
  readonly reason: IssuanceReason;
  readonly challengeType: ChallengeType;
  /** The CA's profile; absent for its default. */
  readonly profile?: string | undefined;
  /** Absent for P-256. */
  readonly keyType?: KeyType | undefined;
  readonly directory: string;
  /** Where the order goes to a second CA, since the certificate's own failed: that one's directory. */
  readonly fallbackFor?: string | undefined;
  /** RFC 9773 section 4.1 identifier of the certificate that this one replaces. */
  readonly replaces?: string | undefined;
  /** The campaign that it is made for; absent where it was due without one. */
  readonly campaignId?: string | undefined;
  /** Name of the manager process that holds the claim, for people. */
  readonly holder: string;
  /** End of the claim, ISO 8601. */
  readonly until: string;
  /** PKCS#10 in DER, base64. */
  readonly csr: string;
  /** PKCS#8 PEM as an age file for the recipients, base64. */
  readonly sealedKey: string;
  /** Position of the `RecipientsUpdated` whose recipients the key is sealed to. */
  readonly recipientsPosition: number;
}

/** The CA has an order (RFC 8555 section 7.4). Written before anything else happens to it. */
export interface OrderCreated {
  readonly type: 'OrderCreated';
  readonly issuanceId: string;
  readonly certificateId: string;
  readonly holder: string;
  readonly orderUrl: string;
}

/** The claim is renewed by its holder, or a lapsed one passes to another. */
export interface IssuanceTakenOver {
  readonly type: 'IssuanceTakenOver';
  readonly issuanceId: string;
  readonly certificateId: string;
  readonly holder: string;
  /** End of the claim, ISO 8601. */
  readonly until: string;
}

/** The same order will be finalized with another key: the recipients changed since the claim. */
export interface CsrReplaced {
  readonly type: 'CsrReplaced';
  readonly issuanceId: string;
  readonly certificateId: string;
  readonly csr: string;
  readonly sealedKey: string;
  readonly recipientsPosition: number;
}

/** The holder gave the claim up before its end; the order waits for a manager that takes it over. */
export interface IssuanceReleased {
  readonly type: 'IssuanceReleased';
  readonly issuanceId: string;
  readonly certificateId: string;
  readonly holder: string;
}

/** Why and until when an issuance is given up. */
export interface IssuanceFailed {
  readonly type: 'IssuanceFailed';
  readonly issuanceId: string;
  readonly certificateId: string;
  /** Problem type (RFC 8555 section 6.7) or one of our own error codes. */
  readonly problem: string;
  readonly class: FailureClass;
  readonly detail: string;
  /** 1 for the first failure since the last success. One of the CA or the account as a whole does not count: the next has the same number. */
  readonly attempt: number;
  /** The next attempt is not made before this instant, ISO 8601. */
  readonly notBefore: string;
  /**
   * Where the CA was down: from this instant on it is tried before `notBefore` once the CA answers, ISO 8601. The end of the CA's own
   * Retry-After, or when it failed.
   */
  readonly retryAt?: string | undefined;
  /** The CA that would have been asked: given only where it failed before there was a claim, so that no `IssuanceStarted` names it. */
  readonly directory?: string | undefined;
  /**
   * A name for each validation that the CA found invalid, which it counts: twice where a wildcard failed as well. Sorted, without `*.`;
   * absent where there are none.
   */
  readonly invalidNames?: readonly string[] | undefined;
}

/** The certificate that `CertificateObtained` and `CertificateImported` carry; no other event is needed to serve it. */
export interface CertificateContent {
  readonly certificateId: string;
  readonly names: readonly string[];
  /** DER, base64. */
  readonly leaf: string;
  /** SHA-256 hashes of the issuers' DER, base64url, in the order they are served. */
  readonly issuers: readonly string[];
  /** PKCS#8 PEM as an age file for the recipients, base64. */
  readonly sealedKey: string;
  /** Hexadecimal, upper case. */
  readonly serialNumber: string;
  /** ISO 8601. */
  readonly notBefore: string;
  /** ISO 8601. */
  readonly notAfter: string;
}

/** A CA issued a certificate. */
export interface CertificateObtained extends CertificateContent {
  readonly type: 'CertificateObtained';
  readonly issuanceId: string;
  readonly reason: IssuanceReason;
  readonly challengeType: ChallengeType;
  readonly profile?: string | undefined;
  /** Absent for P-256. */
  readonly keyType?: KeyType | undefined;
  readonly directory: string;
  /** As in {@link IssuanceStarted}. */
  readonly fallbackFor?: string | undefined;
}

/** A certificate that came from elsewhere. */
export interface CertificateImported extends CertificateContent {
  readonly type: 'CertificateImported';
  /** Directory of the ACME CA that issued it: what a renewal there replaces, and who is asked when to renew. Absent where it is not known. */
  readonly issuedBy?: string | undefined;
  /** Directory of the ACME CA that it is renewed at from now on. Absent: how it is renewed stays, for a new one not at all. */
  readonly directory?: string | undefined;
  /** How its names are proved there; absent for the manager's default. */
  readonly challengeType?: ChallengeType | undefined;
  /** Key type of its renewals; absent for P-256. */
  readonly keyType?: KeyType | undefined;
}

/** The key of a certificate sealed to other recipients. */
export interface PrivateKeyResealed {
  readonly type: 'PrivateKeyResealed';
  readonly certificateId: string;
  /** SHA-256 of the leaf's DER, base64url. */
  readonly leafHash: string;
  readonly sealedKey: string;
}

/** The CA's renewal information changed (RFC 9773). */
export interface RenewalInfoUpdated {
  readonly type: 'RenewalInfoUpdated';
  readonly certificateId: string;
  readonly leafHash: string;
  readonly windowStart: string;
  readonly windowEnd: string;
  /** The instant chosen in the window, kept while the window stays. */
  readonly renewAt: string;
  readonly explanationUrl?: string | undefined;
}

/** What DNS shows of a name that left our control: it does not exist, other servers have it, or its owner lets another CA issue. */
export const LOSSES = ['gone', 'moved', 'barred'] as const;

/** How a name left our control. */
export type Loss = (typeof LOSSES)[number];

/** DNS gave an answer by which names of a certificate are not ours to certify: no order is made for them. */
export interface NamesLost {
  readonly type: 'NamesLost';
  readonly certificateId: string;
  /** Those that were found lost, sorted. */
  readonly names: readonly string[];
  /** Of the first of them. */
  readonly loss: Loss;
  /** For people. */
  readonly detail: string;
  /** They are looked at again from then on, ISO 8601. */
  readonly notBefore: string;
}

/** DNS shows the names of a certificate as ours again. */
export interface NamesRegained {
  readonly type: 'NamesRegained';
  readonly certificateId: string;
}

/** No longer managed, no longer served. */
export interface CertificateRemoved {
  readonly type: 'CertificateRemoved';
  readonly certificateId: string;
}

/** Revoked at the CA. */
export interface CertificateRevoked {
  readonly type: 'CertificateRevoked';
  readonly certificateId: string;
  readonly leafHash: string;
  /** RFC 5280 section 5.3.1 code. */
  readonly reason: number;
}

/** Events about one managed certificate. */
export type CertificateEvent =
  | IssuanceStarted
  | OrderCreated
  | IssuanceTakenOver
  | CsrReplaced
  | IssuanceReleased
  | IssuanceFailed
  | CertificateObtained
  | CertificateImported
  | PrivateKeyResealed
  | RenewalInfoUpdated
  | NamesLost
  | NamesRegained
  | CertificateRemoved
  | CertificateRevoked;
