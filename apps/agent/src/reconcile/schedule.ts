/** When a target's next change may begin, so that a fleet does not reload in the same second. */
import { createHash } from 'node:crypto';
import type { NamedTarget } from '../configuration/read-configuration.ts';

/** How changes of one target are gathered and spread. */
export interface Window {
  /** At most one change begins in this time, milliseconds; 0: at once. */
  readonly windowMs: number;
  /** Machines begin at different instants of this time, at most `windowMs`; 0: all at the window's beginning. */
  readonly spreadMs: number;
}

/** Time between two comparisons of all that a target holds, milliseconds. */
export const RECONCILE_EVERY_MS = 60_000;
/** How long a pass may take, milliseconds. */
export const PASS_TIMEOUT_MS = 300_000;
const RELOAD_WINDOW_MS = 60_000;

/** The window of a target. A command after each change is run once a window, not by all machines in the same second. */
export function windowOf(target: NamedTarget): Window {
  const hasCommand = target.type === 'nginx-files' || ('after' in target && target.after !== undefined);
  const { windowMs = hasCommand ? RELOAD_WINDOW_MS : 0, spreadMs = windowMs } = target;
  return { windowMs, spreadMs: Math.min(spreadMs, windowMs) };
}

/** How old what an agent that works last noted of some targets can be, milliseconds: passes come after a rest and the target's window. */
export const longestSilenceMs = (targets: readonly NamedTarget[]): number =>
  RECONCILE_EVERY_MS + PASS_TIMEOUT_MS + Math.min(...targets.map((target) => windowOf(target).windowMs));

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

/**
 * Milliseconds from `now` until the next change may begin: until this machine's instant of the next window, however long the one before is
 * ago. Else a fleet that was idle would take a change of the bus in the same second.
 */
export function waitFor(
  { windowMs }: Window,
  { now, offset }: { readonly now: number; readonly offset: number },
): number {
  if (windowMs === 0) return 0;
  const sinceBegin = (((now - offset) % windowMs) + windowMs) % windowMs;
  return windowMs - sinceBegin;
}
