export { type BusAddress, formatAddress, parseAddress } from './address.ts';
export { type Appended, type Bus, type BusReadOptions, openBus, type VerifiedPage } from './bus.ts';
export { StoreError, type StoreErrorCode, VersionConflictError } from './errors.ts';
export { type Batch, type FollowOptions, follow } from './follow.ts';
export {
  type AppendOptions,
  type Log,
  MAX_COMMIT_BYTES,
  type Page,
  type ReadOptions,
  type StoredCommit,
} from './log.ts';
export {
  catchUp,
  type Decide,
  type Decision,
  type Draft,
  type TransactOptions,
  transact,
  type View,
} from './transact.ts';
