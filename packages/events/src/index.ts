/** What programs on top of a bus need: event types, names, keys, sealing, trust, ids and when to renew. */
export { EventsError, type EventsErrorCode } from './errors.ts';
export type { AnnouncedChallengeType, Manager, Recipient } from './event-types/bus-events.ts';
export type { CampaignOutcome, CampaignPredicate } from './event-types/campaign-events.ts';
export {
  type CertificateEvent,
  CHALLENGE_TYPES,
  type ChallengeType,
  type FailureClass,
  type IssuanceReason,
  KEY_TYPES,
  type KeyType,
  type Loss,
  MAX_ISSUERS,
  MAX_NAMES,
  SERIAL_NUMBER,
} from './event-types/certificate-events.ts';
export type { BusEvent, EventOf, EventType } from './event-types/event-schema.ts';
export { isHash, sha256 } from './hash.ts';
export { createId } from './ids.ts';
export { jsonFaultOf } from './json-fault.ts';
export {
  createIdentity,
  createManagerKey,
  createRootKey,
  isSignatureOf,
  type ManagerKey,
  parseIdentityFile,
  parseManagerKey,
  parseRootKey,
  type Signer,
} from './keys.ts';
export type {
  CertificateOrigin,
  CsrWithKey,
  Failure,
  Issuance,
  IssuedCertificate,
  LostNames,
  ManagedCertificate,
} from './managed-certificate.ts';
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
export { clean, cleanLine, printableJson } from './printable.ts';
export {
  claimantOf,
  type Duty,
  dueSince,
  dutyOf,
  isUrgent,
  KEPT_PAUSE_MS,
  LONGEST_PAUSE_MS,
  NEVER,
  nextActionAt,
  pauseLimit,
  shortestPauseMs,
  URGENCIES,
  type Urgency,
  urgencyOf,
  urgentAt,
} from './renewal.ts';
export { checkRecipients, createOpener, type Opener, open, seal } from './sealed-key.ts';
export { createBusId, type Floor, formatTrust, parseTrust, type Trust } from './trust.ts';
