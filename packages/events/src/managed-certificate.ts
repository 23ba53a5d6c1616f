/** What the bus says about one managed certificate: its state, as `evolve` makes it of events. */
import type {
  CertificateContent,
  ChallengeType,
  FailureClass,
  IssuanceReason,
  KeyType,
  Loss,
  RenewalInfoUpdated,
} from './event-types/certificate-events.ts';

/** What the bus says of how a certificate came to it. */
export interface CertificateOrigin {
  /** Position of the commit that has it. */
  readonly position: number;
  /** Key id of the manager that signed that commit. */
  readonly by: string;
  /** Key id of the manager that made its private key; absent where that is the same one, or where it is not known. */
  readonly keyBy?: string;
  /** Position of the `RecipientsUpdated` whose recipients its private key was sealed to at first; absent where the bus does not say. */
  readonly recipientsPosition?: number;
  /** Whether it was sealed to others since. */
  readonly isResealed?: true;
}

/** One certificate of a timeline, ready to be served. */
export interface IssuedCertificate extends Omit<CertificateContent, 'certificateId'> {
  /** SHA-256 of the leaf, base64url. */
  readonly leafHash: string;
  /**
   * The private key as it was sealed when the certificate came, where it was sealed to others since: what was damaged on the way to the bus
   * takes the key from nobody who could open it.
   */
  readonly formerSealedKey?: string;
  /** The CA that issued it; `undefined` for an imported one. */
  readonly directory: string | undefined;
  /** When the bus got it from its CA, ISO 8601, which can be long after `notBefore`; absent for an imported one. */
  readonly obtainedAt?: string;
  /** When an imported one came to the bus, ISO 8601. */
  readonly importedAt?: string;
  /** Absent where the commits were not at hand that had it. */
  readonly origin?: CertificateOrigin;
  /** An expelled manager obtained it after the last position that is trusted: it ranks behind all that are valid and are not marked so. */
  readonly distrusted?: true;
}

/** A key pair of an issuance: the public half as CSR, the private half sealed. */
export interface CsrWithKey {
  /** PKCS#10 in DER, base64. */
  readonly csr: string;
  /** PKCS#8 PEM as an age file for the recipients, base64. */
  readonly sealedKey: string;
  /** Position of the `RecipientsUpdated` whose recipients the key is sealed to. */
  readonly recipientsPosition: number;
  /** Key id of the manager that put it on the bus; absent for one that is about to be. */
  readonly by?: string;
}

/** An issuance that is open. */
export interface Issuance {
  readonly issuanceId: string;
  readonly reason: IssuanceReason;
  readonly names: readonly string[];
  readonly challengeType: ChallengeType;
  readonly profile: string | undefined;
  /** `undefined` for P-256. */
  readonly keyType: KeyType | undefined;
  readonly directory: string;
  /** The certificate's own CA, where this is a second one. */
  readonly fallbackFor: string | undefined;
  readonly replaces: string | undefined;
  /** The campaign that it is made for. */
  readonly campaignId?: string | undefined;
  /** When it was begun, ISO 8601. */
  readonly startedAt: string;
  /** Who holds the claim; `undefined` after a release. */
  readonly holder: string | undefined;
  /** When this holder took it over from another or after a release, ISO 8601; absent where it has held it from the beginning. */
  readonly heldSince?: string | undefined;
  /** End of the claim, ISO 8601. */
  readonly until: string;
  /** The CSRs of this issuance with their keys, the newest 16; the last one is the one to finalize with. */
  readonly csrs: readonly CsrWithKey[];
  readonly orderUrl: string | undefined;
}

/** What went wrong last, and when to try again. */
export interface Failure {
  readonly problem: string;
  readonly class: FailureClass;
  readonly detail: string;
  readonly attempt: number;
  /** The CA that was asked. */
  readonly directory: string;
  readonly notBefore: string;
  /** Where the CA was down: from when on it is tried before `notBefore` once the CA answers, ISO 8601. */
  readonly retryAt?: string;
  /** When the first attempt failed since the last success, ISO 8601. */
  readonly since: string;
  /** When the last attempt failed, ISO 8601. */
  readonly failedAt: string;
  /** What went wrong with this certificate before its CA or account failed as a whole, which says nothing of it. */
  readonly own?: Pick<Failure, 'problem' | 'class' | 'detail'>;
}

/** Names that left our control, as DNS shows it; instants in ISO 8601. */
export interface LostNames {
  readonly names: readonly string[];
  readonly loss: Loss;
  readonly detail: string;
  /** When they were first found lost, and when last. */
  readonly since: string;
  readonly seenAt: string;
  /** They are looked at again from then on. */
  readonly notBefore: string;
}

/** When a CA wants a certificate renewed (RFC 9773 section 4.2); instants in ISO 8601. */
export type RenewalWindow = Pick<RenewalInfoUpdated, 'windowStart' | 'windowEnd' | 'renewAt' | 'explanationUrl'>;

/** One managed certificate: one timeline of certificates for one name set. Plain JSON. */
export interface ManagedCertificate {
  readonly certificateId: string;
  readonly names: readonly string[];
  readonly challengeType: ChallengeType | undefined;
  readonly profile: string | undefined;
  /** `undefined` for P-256. */
  readonly keyType: KeyType | undefined;
  /** The CA that it is renewed at; `undefined` for an imported certificate. */
  readonly directory: string | undefined;
  /** What is served; `undefined` until the first one is obtained. */
  readonly current: IssuedCertificate | undefined;
  /**
   * Certificates before the current one that were still valid when it came, newest first, 3 at most; behind them those that an expelled
   * manager obtained, newest first, 4 at most.
   */
  readonly predecessors: readonly IssuedCertificate[];
  /**
   * Certificates that are not served any more in anyone's place and had not ended when the newest one came: what fell out of {@link predecessors}, and all of
   * a removed one, but for what was revoked. About newest first, 64 at most; behind them those that an expelled manager obtained, 4 at most. A manager keeps them, so that they can be revoked. Absent for none.
   */
  readonly retired?: readonly IssuedCertificate[] | undefined;
  readonly issuance: Issuance | undefined;
  readonly failure: Failure | undefined;
  /** What the CA last said of when to renew the current certificate. */
  readonly renewalInfo: RenewalWindow | undefined;
  /** Names of it that left our control; absent where none did. */
  readonly lost?: LostNames | undefined;
  readonly revoked: boolean;
  readonly removed: boolean;
  /** When it was removed, ISO 8601; absent before. */
  readonly removedAt?: string | undefined;
}
