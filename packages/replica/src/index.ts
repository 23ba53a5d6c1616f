export { ReplicaError, type ReplicaErrorCode } from './errors.ts';
export { type FollowerListener, type FollowerOptions, keepUp } from './follower.ts';
export { replicaPath, stateDirectoryOf } from './location.ts';
export {
  describeExposure,
  type Exposure,
  examineFile,
  examineState,
  type FileExamination,
  ownFolder,
} from './private-file.ts';
export type { Change, PlacedLeaf, ReplicaReader, SharedNames } from './reader.ts';
export { type Building, openReplica, type Replica, type ReplicaOptions } from './replica.ts';
export { prepare, rebuild, type SyncOptions, synchronize } from './sync.ts';
export type { BeginningState } from './writer/tables.ts';
