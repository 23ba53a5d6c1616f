export type {
  AccountDeactivated,
  AccountKeyRolledOver,
  AccountKeyRollOverStarted,
  AccountRegistered,
  BusCreated,
  BusLevelEvent,
  BusRestored,
  ChallengePresented,
  ConfigUpdated,
  FormatRaised,
  Heartbeat,
  IssuerAdded,
  Manager,
  ManagersUpdated,
  RangeArchived,
  Recipient,
  RecipientsUpdated,
  SnapshotTaken,
} from './bus-events.ts';
export { type Account, type BusState, type Challenge, EMPTY_BUS, evolveBus } from './bus-state.ts';
export type {
  CertificateContent,
  CertificateEvent,
  CertificateImported,
  CertificateObtained,
  CertificateRemoved,
  CertificateRevoked,
  ChallengeType,
  CsrReplaced,
  IssuanceFailed,
  IssuanceReason,
  IssuanceReleased,
  IssuanceStarted,
  IssuanceTakenOver,
  KeyType,
  OrderCreated,
  PrivateKeyResealed,
  RenewalInfoUpdated,
} from './certificate-events.ts';
export { CHALLENGE_TYPES, KEY_TYPES } from './certificate-events.ts';
export {
  type Commit,
  type CommitContent,
  decodeCommit,
  encodeCommit,
  FORMAT,
  isCommitSignedBy,
  type ReadEvent,
  readEvent,
  sha256,
  type WrittenEvent,
} from './codec.ts';
export { EventsError, type EventsErrorCode, HistoryError } from './errors.ts';
export { type BusEvent, type EventType, isKnown } from './event-schema.ts';
export {
  type CsrOffer,
  evolve,
  type Failure,
  type Issuance,
  type IssuedCertificate,
  type ManagedCertificate,
} from './evolve.ts';
export { BEGINNING, type Checkpoint, checkpointOf, type VerifiedCommits, verifyCommits } from './history.ts';
export { createId } from './ids.ts';
export {
  createIdentity,
  createManagerKey,
  createRootKey,
  keyIdOf,
  type ManagerKey,
  parseIdentityFile,
  parseManagerKey,
  parseRootKey,
  type Signer,
} from './keys.ts';
export {
  candidatesOf,
  isAddress,
  nameSetKey,
  normalizeAddress,
  normalizeName,
  normalizeNames,
  normalizeServerName,
  reverseNameOf,
} from './names.ts';
export { NEVER, nextActionAt, URGENCIES, type Urgency, urgencyOf } from './renewal.ts';
export {
  isSignedByRoot,
  type PlacedRootEvent,
  type RootBody,
  type RootEnvelope,
  type RootEvent,
  signRootEvent,
} from './root-event.ts';
export { checkRecipients, isKeyOf, open, openPrivateKey, seal } from './sealed-key.ts';
export { createBusId, formatTrust, parseTrust, type Trust } from './trust.ts';
