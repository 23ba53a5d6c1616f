/** Stored commits before anything of them is proved: what can be known of each without parsing its payload, and the payload on demand. */
import { sha256 } from '../hash.ts';
import { type Commit, type CommitLines, claimedBus, decodeLines, isSignedLine, splitCommit } from './codec.ts';

/** A commit as it is in a store. */
export interface StoredBytes {
  readonly position: number;
  readonly bytes: Uint8Array;
}

/**
 * A run of stored commits, by their index. Anyone may have written them. What is asked of one is worked out once, also where it throws.
 */
export interface UnreadCommits {
  readonly length: number;
  /** Where it is in the store. */
  position(at: number): number;
  /** SHA-256 of both lines, base64url. */
  hash(at: number): string;
  /** The id of the key that it names as its signer's. Throws `CERTBUS_EVENTS_COMMIT_MALFORMED`. */
  keyId(at: number): string;
  /** The bus that its text names, for a message; nothing of it is proved. */
  claimedBus(at: number): string | undefined;
  /** Whether the holder of `publicKey` signed it. Throws as {@link keyId}. */
  isSignedBy(at: number, publicKey: string): boolean;
  /**
   * Parses it. MUST be asked only where a signature, or the hash in a later commit that is proved, shows that it is genuine: parsing
   * takes a hundred times its size. Throws as `decodeCommit`.
   */
  commit(at: number): Commit;
}

/** Does `work` once for each index and remembers what it returned or threw. */
function once<T>(work: (at: number) => T): (at: number) => T {
  const results = new Map<number, () => T>();
  const attempt = (at: number): (() => T) => {
    try {
      const value = work(at);
      return () => value;
    } catch (error) {
      return () => {
        throw error;
      };
    }
  };
  return (at) => {
    const result = results.get(at) ?? attempt(at);
    results.set(at, result);
    return result();
  };
}

/** Takes stored commits as they are; looks at none of them yet. */
export function unreadCommits(stored: readonly StoredBytes[]): UnreadCommits {
  const bytesAt = (at: number): Uint8Array => (stored[at] as StoredBytes).bytes;
  const hash = once((at) => sha256(bytesAt(at)));
  const lines = once((at): CommitLines => splitCommit(bytesAt(at)));
  const signers = new Map<string, (at: number) => boolean>();
  return {
    length: stored.length,
    position: (at) => (stored[at] as StoredBytes).position,
    hash,
    keyId: (at) => lines(at).keyId,
    claimedBus: (at) => claimedBus(bytesAt(at)),
    isSignedBy(at, publicKey) {
      const isSigned = signers.get(publicKey) ?? once((index) => isSignedLine(publicKey, lines(index)));
      signers.set(publicKey, isSigned);
      return isSigned(at);
    },
    commit: once((at) => decodeLines(lines(at), hash(at))),
  };
}
