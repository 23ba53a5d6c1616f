export type { OpenedBus } from './advance.ts';
export type { BusPlace } from './bus-place.ts';
export type { Damage } from './checking/damage.ts';
export type { Salvage } from './checking/salvage.ts';
export { ReplicaError, type ReplicaErrorCode } from './errors.ts';
export type { Building, FollowedReplica } from './followed.ts';
export { type BusSource, type FollowerListener, type FollowerOptions, keepUp } from './follower.ts';
export type { Following, FollowingNote } from './following.ts';
export { replicaPath, stateDirectoryOf } from './location.ts';
export {
  describeExposure,
  type Exposure,
  examineFile,
  examineRootFile,
  examineState,
  type FileExamination,
  ownFolder,
} from './private-file.ts';
export type { Change, PlacedLeaf, ReplicaReader, SharedNames, UpcomingAction } from './reader.ts';
export { openReplica, type Replica, type ReplicaOptions, type VaultOwner } from './replica.ts';
export { prepare, rebuild, type SyncOptions, synchronize } from './sync.ts';
export type { KeyVault } from './vault/vault.ts';
export type { DutyCount, HourReader } from './writer/hours.ts';
export type { Spending, SpendingStretch } from './writer/ledger.ts';
export type { ListedCertificate, PlainCertificate } from './writer/listing.ts';
export type { ReplicaRole } from './writer/role.ts';
export type { Selected, SelectedPage, Selection, SelectionReader } from './writer/selection.ts';
export type { BeginningState } from './writer/tables.ts';
export { type Traits, traitsOfOrigin } from './writer/traits.ts';
