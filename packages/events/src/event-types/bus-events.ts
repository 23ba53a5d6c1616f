/** Events about the bus itself: root events, configuration, accounts, challenges, archives. */
import type { CampaignEnded, CampaignStarted } from './campaign-events.ts';

/** A machine that may append to the bus: a name for people, and the public halves of the manager's two keys. */
export interface Manager {
  readonly name: string;
  /** Ed25519 public key, base64url. */
  readonly signingKey: string;
  /** age recipient to which the configuration and the account keys are sealed. */
  readonly recipient: string;
}

/** Who can open private keys: a group of load balancers, or an offline backup. */
export interface Recipient {
  readonly name: string;
  /** age recipient, `age1…`. */
  readonly recipient: string;
}

/** The bus begins. Only at position 1. */
export interface BusCreated {
  readonly type: 'BusCreated';
  /** The bus's id, 256 random bits in base64url. */
  readonly busId: string;
  /** Ed25519 public key of the root, base64url. */
  readonly rootKey: string;
}

/** Root event: every manager, from now on. */
export interface ManagersUpdated {
  readonly type: 'ManagersUpdated';
  readonly rootSequence: number;
  readonly managers: readonly Manager[];
}

/**
 * Root event: a manager's key is not trusted from a position on. It takes the key out of force as well, permanently: no `ManagersUpdated` brings
 * it back. What the key wrote from `since` on is void, but for certificates and issuers; certificates rank behind those that are trusted.
 */
export interface ManagerExpelled {
  readonly type: 'ManagerExpelled';
  readonly rootSequence: number;
  /** The manager's name, for people. */
  readonly manager: string;
  /** Its Ed25519 public key, base64url: what counts. */
  readonly key: string;
  /** The first position that is not trusted. */
  readonly since: number;
}

/** Root event: whom private keys are sealed to, from now on. At most 20, or 5 where one is post-quantum hybrid. */
export interface RecipientsUpdated {
  readonly type: 'RecipientsUpdated';
  readonly rootSequence: number;
  readonly recipients: readonly Recipient[];
}

/** Root event: commits have this format, from the next one on. A release that does not know it stops reading, and goes on serving. */
export interface FormatRaised {
  readonly type: 'FormatRaised';
  readonly rootSequence: number;
  readonly format: number;
}

/**
 * Root event: the store was put back to an earlier state, and the line goes on from there. A follower that has read beyond it reads
 * the bus again. Its `rootSequence` may leap, so that it is higher than any on the line that was lost.
 */
export interface BusRestored {
  readonly type: 'BusRestored';
  readonly rootSequence: number;
  /** Position of the last commit that was kept, which is the one before this event's commit. */
  readonly position: number;
  /** Hash of that commit, base64url. */
  readonly hash: string;
}

/** The whole configuration, from now on. */
export interface ConfigUpdated {
  readonly type: 'ConfigUpdated';
  /** The configuration's JSON as an age file for the managers, base64. */
  readonly sealed: string;
}

/**
 * An ACME account exists (RFC 8555 section 7.3), with a key of its own: one a directory. One with another URL takes the place of the
 * directory's account, which is to be deactivated then; one with the same URL says again what that account is.
 */
export interface AccountRegistered {
  readonly type: 'AccountRegistered';
  readonly directory: string;
  readonly accountUrl: string;
  /** JWK thumbprint of the account key (RFC 7638). */
  readonly thumbprint: string;
  /** The account key as an age file for the managers and the recipient named `backup`, base64. */
  readonly sealedKey: string;
  /**
   * Set where clients MUST answer HTTP-01 for any token with this account's thumbprint, without announcement. One account at a time: the
   * newest event that says so takes it from the others.
   */
  readonly stateless?: true | undefined;
}

/**
 * The key that comes next for the account at a directory, the first one as well. It is on the bus before the CA knows it, so that no
 * crash can lose the key of an account (RFC 8555 section 7.3.5); until {@link AccountKeyRolledOver} the account has its old key, if there
 * is one.
 */
export interface AccountKeyRollOverStarted {
  readonly type: 'AccountKeyRollOverStarted';
  readonly directory: string;
  readonly thumbprint: string;
  /** As in {@link AccountRegistered}. */
  readonly sealedKey: string;
}

/** The CA took the new key for an account, whose URL stays. */
export interface AccountKeyRolledOver extends Omit<AccountRegistered, 'type' | 'stateless'> {
  readonly type: 'AccountKeyRolledOver';
}

/** The next key of the account at a directory was given up: the CA has not taken it, and cannot. The account keeps its key. */
export interface AccountKeyRollOverAbandoned {
  readonly type: 'AccountKeyRollOverAbandoned';
  readonly directory: string;
  /** Of the key that was given up. */
  readonly thumbprint: string;
}

/** An account was given up permanently: its key serves no other at that CA (RFC 8555 section 7.3.6). */
export interface AccountDeactivated {
  readonly type: 'AccountDeactivated';
  readonly directory: string;
  readonly accountUrl: string;
  readonly thumbprint: string;
}

/**
 * A challenge that clients MUST answer until its issuance ends or it lapses: every one of TLS-ALPN-01 (RFC 8737), and those of HTTP-01
 * (RFC 8555 section 8.3) whose account is not answered for without announcement, or has its key rolled over.
 */
export interface ChallengePresented {
  readonly type: 'ChallengePresented';
  readonly issuanceId: string;
  readonly challengeType: AnnouncedChallengeType;
  /** The DNS name or IP address to prove, in its one form. */
  readonly identifier: string;
  readonly token: string;
  /** JWK thumbprint of the account key that is asked for: each account has its own, and two in a roll-over. */
  readonly thumbprint: string;
  /** Until when it is answered, ISO 8601. */
  readonly expiresAt: string;
}

/** Types of challenges that clients answer. */
export const ANNOUNCED_CHALLENGE_TYPES = ['http-01', 'tls-alpn-01'] as const;

/** A type of challenge that clients answer. */
export type AnnouncedChallengeType = (typeof ANNOUNCED_CHALLENGE_TYPES)[number];

/** An issuer's certificate, written once; other events refer to it by hash. */
export interface IssuerAdded {
  readonly type: 'IssuerAdded';
  /** SHA-256 of the DER, base64url. */
  readonly hash: string;
  /** DER, base64. */
  readonly certificate: string;
}

/** A range of commits is in the archive, and may be trimmed from the store. */
export interface RangeArchived {
  readonly type: 'RangeArchived';
  /** First position of the range. */
  readonly first: number;
  /** Last position of the range. */
  readonly last: number;
  /** Hash of the commit at {@link last}, base64url. */
  readonly hash: string;
  /** SHA-256 of the range's manifest, base64url. */
  readonly manifest: string;
  /** Key of the manifest below the archive's root. */
  readonly place: string;
}

/** A snapshot of the whole state is in the archive. */
export interface SnapshotTaken {
  readonly type: 'SnapshotTaken';
  /** The state is that behind the commit at this position. */
  readonly position: number;
  /** Hash of that commit, base64url. */
  readonly hash: string;
  /** SHA-256 of the snapshot's manifest, base64url. */
  readonly manifest: string;
  /** Key of the manifest below the archive's root. */
  readonly place: string;
}

/** Names an alert: one of a kind and subject is raised at a time. */
export interface AlertKey {
  /** What it is about, such as `failing`. */
  readonly alert: string;
  /** Whom it is about: a certificate's id, a CA's directory, or what the kind says. */
  readonly subject: string;
}

/** People were told that something needs them. It is written once they were, so that several managers tell them once. */
export interface AlertRaised extends AlertKey {
  readonly type: 'AlertRaised';
  /** Why, for people. */
  readonly detail: string;
  /** Since when, ISO 8601. */
  readonly since: string;
  /** Names of those places in the configuration that could not be told yet. */
  readonly pending?: readonly string[] | undefined;
}

/** People were told that an alert is over; it is dropped, unless some place is still to be told. */
export interface AlertCleared extends AlertKey {
  readonly type: 'AlertCleared';
  /** When that was found, ISO 8601. */
  readonly until: string;
  /** As in {@link AlertRaised}. */
  readonly pending?: readonly string[] | undefined;
}

/** Nothing else was written for 24 hours. */
export interface Heartbeat {
  readonly type: 'Heartbeat';
}

/** Events about the bus itself. */
export type BusLevelEvent =
  | BusCreated
  | ManagersUpdated
  | ManagerExpelled
  | RecipientsUpdated
  | FormatRaised
  | BusRestored
  | ConfigUpdated
  | AccountRegistered
  | AccountKeyRollOverStarted
  | AccountKeyRolledOver
  | AccountKeyRollOverAbandoned
  | AccountDeactivated
  | ChallengePresented
  | IssuerAdded
  | RangeArchived
  | SnapshotTaken
  | CampaignStarted
  | CampaignEnded
  | AlertRaised
  | AlertCleared
  | Heartbeat;
