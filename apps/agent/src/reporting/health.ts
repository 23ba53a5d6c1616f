/** How the agent stands, for a monitor: its replica, and each target. */
import type { Health, MaterialSource } from '@certbus/client/material';
import { CommandError } from '../errors.ts';
import { isSelected, type Selection } from '../reconcile/selection.ts';
import type { Passes, TargetStatus } from '../reconcile/worker.ts';
import type { Reloads } from '../targets/target.ts';
import { describe } from './status.ts';

/** How one target stands. */
export interface TargetHealth {
  readonly name: string;
  readonly isPaused: boolean;
  /** Whether it has differed from the bus for so long that a person is needed. A target that is paused is not. */
  readonly isBehind: boolean;
  /** How long it has differed from the bus, milliseconds; 0 where it is, and while it is paused. */
  readonly behindForMs: number;
  /** Those that the bus has for it, that are in place there, and that it did not take or does not show. */
  readonly certificates: { readonly wanted: number; readonly inPlace: number; readonly failing: number };
  /** The bus position that its last pass without an error of the target was for. */
  readonly position: number | undefined;
  /** When that pass ended. */
  readonly checkedAt: Date | undefined;
  readonly passes: Passes;
  /** `undefined` where nothing is run after a change. */
  readonly reloads: Reloads | undefined;
  /** Why it is not what the bus says: the error of the target, else that of the first certificate that fails. Without the output of commands. */
  readonly trouble: { readonly code: string; readonly message: string } | undefined;
}

/** How an agent stands. Its `ready` is false where that of the replica is, and where a target is behind. */
export interface AgentHealth extends Health {
  readonly targets: readonly TargetHealth[];
}

/** Counts the certificates that a selection takes; once for each position of the bus, since it may have to look at all of them. */
export function createWantedCount(
  source: Pick<MaterialSource, 'health' | 'certificates'>,
  selection: Selection,
): () => number {
  let counted: { readonly position: number; readonly count: number } | undefined;

  function count(): number {
    let found = 0;
    for (const summary of source.certificates()) if (isSelected(summary, selection)) found += 1;
    return found;
  }
  return () => {
    const { position, certificates } = source.health();
    if (!selection.ids && !selection.names) return certificates.served;
    try {
      if (counted?.position !== position) counted = { position, count: count() };
    } catch {
      // A replica that is closed or damaged: the report says so.
    }
    return counted?.count ?? 0;
  };
}

/** What failed, as anybody who can reach the page may read it: a command can print anything. */
const withoutOutput = (error: Error): Error =>
  error instanceof CommandError ? new CommandError(error.summary, '') : error;

/** How a target stands at an instant. */
export function targetHealth(
  { name, isPaused, behindSince, standings, error, position, checkedAt, passes }: TargetStatus,
  {
    wanted,
    reloads,
    now,
    behindAfterMs,
  }: {
    readonly wanted: number;
    readonly reloads: Reloads | undefined;
    readonly now: Date;
    /** From when on it is behind. */
    readonly behindAfterMs: number;
  },
): TargetHealth {
  const problems = [...standings.values()].flatMap(({ problem }) => (problem ? [problem] : []));
  const cause = error ?? problems[0];
  const behindForMs = behindSince && !isPaused ? Math.max(0, now.getTime() - behindSince.getTime()) : 0;
  return {
    ...{ name, isPaused, behindForMs, position, checkedAt, passes, reloads },
    isBehind: !isPaused && behindSince !== undefined && behindForMs >= behindAfterMs,
    certificates: { wanted, inPlace: standings.size - problems.length, failing: problems.length },
    trouble: cause && describe(withoutOutput(cause)),
  };
}

/** The report of an agent, by that of its replica and those of its targets. */
export const agentHealth = (replica: Health, targets: readonly TargetHealth[]): AgentHealth => ({
  ...replica,
  ready: replica.ready && !targets.some(({ isBehind }) => isBehind),
  targets,
});

/** Whether an agent may check in: it is ready, and has seen each target once, so that one that ends again and again never does. */
export const isCheckInDue = ({ ready, targets }: AgentHealth): boolean =>
  ready && targets.every(({ isPaused, checkedAt }) => isPaused || checkedAt !== undefined);
