/** Keys that are being opened, and whether they are still needed once they are. */
import type { KeptLeaf } from './file.ts';

/** What was opened. */
export interface Opened {
  readonly key: string;
  /** Hashes of the leaves that its certificate needs by now, where that of this key is none of them. */
  readonly needed: readonly string[] | undefined;
}

/** Keys that are being opened. */
export interface Openings {
  open(leaf: KeptLeaf, work: () => Promise<string>): Promise<Opened>;
  /** Of this certificate only the keys of these leaves are needed from now on. */
  restrict(certificateId: string, leafHashes: readonly string[]): void;
  /** Nothing that is being opened now is to be kept. */
  clear(): void;
}

interface Opening extends KeptLeaf {
  needed: readonly string[];
}

/** Nothing is being opened yet. */
export function createOpenings(): Openings {
  const inWork = new Set<Opening>();
  return {
    async open({ certificateId, leafHash }, work) {
      const opening: Opening = { certificateId, leafHash, needed: [leafHash] };
      inWork.add(opening);
      try {
        const key = await work();
        return { key, needed: opening.needed.includes(leafHash) ? undefined : opening.needed };
      } finally {
        inWork.delete(opening);
      }
    },
    restrict(certificateId, leafHashes) {
      for (const opening of inWork) if (opening.certificateId === certificateId) opening.needed = leafHashes;
    },
    clear() {
      for (const opening of inWork) opening.needed = [];
    },
  };
}
