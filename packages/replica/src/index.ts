export { ReplicaError, type ReplicaErrorCode } from './errors.ts';
export { replicaPath, resolveStateDirectory, type Surroundings } from './location.ts';
export type { Change, ReplicaReader } from './reader.ts';
export { type Building, openReplica, type Replica, type ReplicaOptions } from './replica.ts';
export { isOutgrown, rebuild, type SettleOptions, settle } from './sync.ts';
export type { BeginningState } from './writer/writer.ts';
