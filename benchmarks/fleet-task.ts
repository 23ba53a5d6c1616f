/** What a process is told that works with a fleet: apart, so that one that is measured loads nothing else for it. */
import type { FleetCa } from './fleet-ca-process.ts';
import type { PreparedFleet } from './prepared-fleet.ts';

/** What a process with a manager is told, as JSON in its first argument. */
export interface FleetTask {
  readonly fleet: PreparedFleet;
  readonly ca: FleetCa;
  /** How far the manager's clock is ahead of the machine's, milliseconds. */
  readonly aheadMs: number;
  readonly rounds: number;
  /** How many certificates a round is about. */
  readonly each: number;
}

/** The task of this process. */
export const readTask = (): FleetTask =>
  JSON.parse(process.argv[2] ?? '', (key, value) => (key === 'now' ? new Date(value) : value));
