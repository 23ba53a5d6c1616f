/** How far this process has seen the streams of a table reach. */

/** How long it is believed that a stream still reaches as far as it was seen to. */
const BELIEVED_MS = 10_000;

/** The heads that were seen, by stream. Only an operator ever shortens a stream, and that takes longer than a head is believed. */
export interface SeenHeads {
  /** Notes that a stream reaches a position now. */
  see(stream: string, position: number): void;
  /** Whether a stream was seen, not long ago, to reach a position. */
  reaches(stream: string, position: number): boolean;
  forget(stream: string): void;
}

/** Knows of no stream yet. */
export function createSeenHeads(): SeenHeads {
  const heads = new Map<string, { readonly position: number; readonly seenAt: number }>();
  return {
    see(stream, position) {
      const known = heads.get(stream)?.position ?? 0;
      if (position >= known) heads.set(stream, { position, seenAt: performance.now() });
    },
    reaches(stream, position) {
      const known = heads.get(stream);
      return known !== undefined && position <= known.position && performance.now() - known.seenAt < BELIEVED_MS;
    },
    forget(stream) {
      heads.delete(stream);
    },
  };
}
