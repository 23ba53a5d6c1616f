/** What verifies, writes and evolves the history of a bus. */
export { HistoryError } from '../errors.ts';
export { EVENT_TYPES, isKnown } from '../event-types/event-schema.ts';
export { keyIdOf } from '../keys.ts';
export { MAX_ALERTS } from './bounds.ts';
export {
  type Account,
  type BusState,
  type Challenge,
  EMPTY_BUS,
  endChallenges,
  evolveBus,
  type NextAccountKey,
  type NotedAlert,
  type PlacedKey,
  type VoidedEvent,
} from './bus-state.ts';
export { parseBusState } from './bus-state-schema.ts';
export { type Campaign, campaignFullAt, campaignPace, MAX_CAMPAIGNS } from './campaigns.ts';
export {
  type Commit,
  type CommitContent,
  decodeCommit,
  encodeCommit,
  isCommitSignedBy,
  type ReadEvent,
  readEvent,
  type WrittenEvent,
} from './codec.ts';
export { evolve, lostSince, MAX_RETIRED, servedNames } from './evolve.ts';
export { type Expulsion, isRewritten, isTainted, lineOf } from './expulsion.ts';
export { belowFloor, contradictionOfFloor, floorAt, isBelowFloor, otherThanFloor } from './floor.ts';
export {
  countedName,
  type LedgerEntry,
  type LedgerLimit,
  ledgerEntries,
  ledgerKey,
  ORDER_KINDS,
  type OrderKind,
  renewedDomain,
} from './ledger.ts';
export {
  isSignedByRoot,
  type PlacedRootEvent,
  type RootBody,
  type RootEnvelope,
  type RootEvent,
  signRootEvent,
} from './root-event.ts';
export { type Refusal, type VerifiedCommits, type VerifyOptions, verifyCommits } from './segments.ts';
export { BEGINNING, type Checkpoint, checkpointOf } from './verify.ts';
