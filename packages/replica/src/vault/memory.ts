/** Opened keys that end with the process. */
import type { VaultReader } from './file.ts';

/** What is kept in memory, sealed as in a file. */
export interface Memory extends VaultReader {
  keep(certificateId: string, leafHash: string, sealed: Uint8Array): void;
  /** Forgets the keys of a certificate apart from those of these leaves. */
  restrict(certificateId: string, leafHashes: readonly string[]): void;
  clear(): void;
}

/** Nothing is kept yet. */
export function createMemory(): Memory {
  const keys = new Map<string, Map<string, Uint8Array>>();
  return {
    sealed: (certificateId, leafHash) => keys.get(certificateId)?.get(leafHash),
    recentNames: () => [],
    keep(certificateId, leafHash, sealed) {
      const leaves = keys.get(certificateId) ?? new Map<string, Uint8Array>();
      keys.set(certificateId, leaves.set(leafHash, sealed));
    },
    restrict(certificateId, leafHashes) {
      const leaves = keys.get(certificateId);
      for (const leafHash of leaves?.keys() ?? []) if (!leafHashes.includes(leafHash)) leaves?.delete(leafHash);
      if (leaves?.size === 0) keys.delete(certificateId);
    },
    clear: () => keys.clear(),
    close: () => keys.clear(),
  };
}
