export { type BusAddress, formatAddress, parseAddress } from './address.ts';
export { type ArchivedRange, archiveRange, createArchiveReader, RANGE_COMMITS } from './archive.ts';
export { type ArchiveAddress, parseArchiveAddress } from './archive-address.ts';
export type { ArchivePlace, PlaceOptions } from './archive-place.ts';
export { type BackupOptions, exportBus, importBus } from './backup.ts';
export { type Appended, type Bus, type BusOptions, type BusReadOptions, openBus, type VerifiedPage } from './bus.ts';
export { StoreError, type StoreErrorCode, TrimmedError, VersionConflictError } from './errors.ts';
export type { ExportFile } from './export-port.ts';
export { type Batch, type FollowOptions, follow } from './follow.ts';
export {
  type AppendOptions,
  type Log,
  type LogEntry,
  type LogMaintenance,
  MAX_COMMIT_BYTES,
  type Page,
  type ReadOptions,
  type ReplaceOptions,
  type StoredCommit,
} from './log.ts';
export { type Repaired, type RepairOptions, repair } from './repair.ts';
export { isRestored, type RestorationOptions } from './restoration.ts';
export type { SnapshotRecord } from './slim-records.ts';
export {
  openSnapshot,
  publishSnapshot,
  type Snapshot,
  type SnapshotContent,
  type TakenSnapshot,
  writeSnapshot,
} from './snapshot.ts';
export {
  catchUp,
  type Decide,
  type Decision,
  type Draft,
  type TransactOptions,
  transact,
  type View,
} from './transact.ts';
export { type VerifiedBus, verifyBus } from './verify.ts';
