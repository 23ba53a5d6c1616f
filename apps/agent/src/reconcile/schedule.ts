/** When a target's next change may begin, so that a fleet does not reload in the same second. */
import { createHash } from 'node:crypto';

/** How changes of one target are gathered and spread. */
export interface Window {
  /** At most one change begins in this time, milliseconds; 0: at once. */
  readonly windowMs: number;
  /** Machines begin at different instants of this time, at most `windowMs`; 0: all at the window's beginning. */
  readonly spreadMs: number;
}

const RANGE = 2 ** 32;

/** Where in the window this machine begins: the same at every start, and different from that of its neighbours. */
export function offsetOf(
  { machine, target }: { readonly machine: string; readonly target: string },
  { spreadMs }: Window,
): number {
  const digest = createHash('sha256')
    .update(JSON.stringify([machine, target]))
    .digest();
  return Math.floor((digest.readUInt32BE(0) / RANGE) * spreadMs);
}

/** Milliseconds from `now` until the next change may begin; `last` is when the one before began. */
export function waitFor(
  { windowMs }: Window,
  { now, last, offset }: { readonly now: number; readonly last: number | undefined; readonly offset: number },
): number {
  if (windowMs === 0 || last === undefined) return 0;
  const windowOf = (instant: number) => Math.floor((instant - offset) / windowMs);
  // A change belongs to a window; the next one is that which begins after it. A clock that was set back counts from now.
  const begun = Math.min(last, now);
  return Math.max(0, (windowOf(begun) + 1) * windowMs + offset - now);
}
