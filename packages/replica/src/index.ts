export { ReplicaError, type ReplicaErrorCode } from './errors.ts';
export { replicaPath, resolveStateDirectory, type Surroundings } from './location.ts';
export type { Change, ReplicaReader } from './reader.ts';
export { openReplica, type Replica, type ReplicaOptions } from './replica.ts';
