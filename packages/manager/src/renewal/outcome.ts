/** What a run says it did, and of each certificate. */
import type { BindingLimit } from '../decide/binding-limit.ts';
import type { FoundLoss } from '../decide/quarantine.ts';

/** What became of one due certificate. */
export interface RenewalOutcome {
  readonly certificateId: string;
  readonly names: readonly string[];
  /**
   * `claimed-elsewhere`: another manager claims it. `no-longer-due`: another one was at work on it, or it was put off or removed, before
   * its turn came. `postponed`: not tried, since its CA or the account there failed for another certificate of this run, since a limit
   * of the CA leaves no room now (then with `limit`), or since the run had reached its own; or not completed, since its deadline came: the
   * order goes on in the next run. `backed-off`: not tried, since it failed before and waits. `quarantined`: names of it left our control, as
   * DNS shows in two looks at least an hour apart; after one look it is `postponed`, both with `lost`.
   */
  readonly outcome:
    | 'renewed'
    | 'claimed-elsewhere'
    | 'no-longer-due'
    | 'failed'
    | 'postponed'
    | 'backed-off'
    | 'quarantined';
  /** Whether it was not renewed although it has ended, was revoked, or has a sixth of its lifetime or less left. Default false. */
  readonly isEnding?: boolean;
  readonly serialNumber?: string | undefined;
  /** With `failed`, and with `postponed` that of the other certificate. */
  readonly error?: unknown;
  /** With `claimed-elsewhere`: who holds the claim. */
  readonly holder?: string | undefined;
  /** With `claimed-elsewhere` and `backed-off`: the end of the claim or of the back-off. With `postponed` by a limit: when there is room. */
  readonly until?: Date | undefined;
  /** With `quarantined`, and with `postponed` after the first look: what left our control. `until` is the next look. */
  readonly lost?: FoundLoss;
  /** With `postponed`: the limit of the CA that leaves no room, its domain, name or names, or directory, and which CA that is. */
  readonly limit?: Omit<BindingLimit, 'until'>;
}

/** What a run does beside the renewals. */
export const SIDE_TASKS = ['questions', 'heartbeat', 'campaigns', 'alerts', 'check-in'] as const;

/** What a run does beside the renewals: `questions` are those to the CAs about when to renew. */
export type SideTask = (typeof SIDE_TASKS)[number];

/** What went wrong beside the renewals. */
export interface RunProblem {
  readonly during: SideTask;
  readonly error: unknown;
}

/** What a run did. */
export interface RunResult {
  /** How many certificates were due when it began, or became so by an event while it lasted. */
  readonly due: number;
  readonly renewed: number;
  readonly failed: number;
  /** Those that are left for a later run, such as names that left our control, or for another manager, which is at work on them. */
  readonly postponed: number;
  /** How far the bus was read, what this run wrote included. */
  readonly position: number;
  /**
   * One for each certificate that was taken up, for those that the deadline left, and for what has ended or is urgent and was not renewed.
   */
  readonly outcomes: readonly RenewalOutcome[];
  /** What went wrong beside the renewals, whose outcomes stand all the same; a run is due soon where there is any. */
  readonly problems: readonly RunProblem[];
  /**
   * When there is something to do again unless the bus changes before that, read from an index. In the past where the limit left something.
   */
  readonly next: Date;
}

/** The counts of a run. */
export function countsOf(
  due: number,
  outcomes: readonly RenewalOutcome[],
): Pick<RunResult, 'due' | 'renewed' | 'failed' | 'postponed'> {
  const count = (wanted: RenewalOutcome['outcome']) => outcomes.filter(({ outcome }) => outcome === wanted).length;
  const [renewed, failed] = [count('renewed'), count('failed')];
  return { due, renewed, failed, postponed: due - renewed - failed - count('no-longer-due') };
}
