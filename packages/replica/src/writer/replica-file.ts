/** Which replica a file is, for those who open it. */
import type { ReplicaRole } from './role.ts';

/** Which replica a file is. */
export interface ReplicaFile {
  readonly path: string;
  /** The bus's id, from its trust file. */
  readonly busId: string;
  readonly role: ReplicaRole;
}
