/** The log port, and what is written once for all logs: buses, transactions, following, archives, recovery. */
export { type BusAddress, formatAddress, parseAddress, resolveAddress, tableNameOf } from './address.ts';
export { type ArchiveAddress, parseArchiveAddress } from './archive/address.ts';
export { type ArchivedRange, archiveRange, createArchiveReader, RANGE_COMMITS } from './archive/archive.ts';
export type { ArchivePlace, PlaceOptions } from './archive/place.ts';
export type { SnapshotRecord } from './archive/slim-records.ts';
export {
  openSnapshot,
  publishSnapshot,
  type Snapshot,
  type SnapshotContent,
  type TakenSnapshot,
  writeSnapshot,
} from './archive/snapshot.ts';
export { FILES_AGAIN } from './aws-again.ts';
export { describeRefusedCredentials } from './aws-credentials.ts';
export { type BusOptions, openBus } from './bus.ts';
export type { Appended, Bus, BusReadOptions, VerifiedPage } from './bus-port.ts';
export { isRefused } from './denial.ts';
export { parametersProblem } from './endpoint.ts';
export { StoreError, type StoreErrorCode, TrimmedError, VersionConflictError } from './errors.ts';
export { aboveFloor } from './floor.ts';
export { type Batch, type FollowOptions, follow } from './follow.ts';
export {
  type AppendOptions,
  type Log,
  type LogEntry,
  type LogMaintenance,
  MAX_COMMIT_BYTES,
  MAX_PAGE_BYTES,
  type Page,
  type ReadOptions,
  type ReplaceOptions,
  type StoredCommit,
} from './log.ts';
export { type BackupOptions, exportBus, importBus } from './recovery/backup.ts';
export type { ExportFile } from './recovery/export-port.ts';
export { type Repaired, type RepairOptions, repair } from './recovery/repair.ts';
export { isRestored, type RestorationOptions } from './recovery/restoration.ts';
export { type VerifiedBus, verifyBus } from './recovery/verify.ts';
export {
  catchUp,
  type Decide,
  type Decision,
  type Draft,
  type TransactOptions,
  transact,
  type View,
} from './transact.ts';
