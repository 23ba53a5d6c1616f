/** How a daemon stands: what its health page says. */
import type { Manager, RunResult, SideTask } from '@certbus/manager';
import type { HealthReport } from '@certbus/store/service';

/** What is between a daemon and its work. */
export interface Trouble {
  readonly during: 'run' | 'follow' | SideTask;
  /** As `docs/errors.md` lists it. */
  readonly code: string;
}

/** The report of a daemon, as its health page shows it; without names, which a neighbour on the machine need not know. */
export interface DaemonHealth {
  /** Whether its last run over what was due ended, with all that is done beside the renewals, and the bus answers. */
  readonly ready: boolean;
  readonly position: number;
  readonly newestCommitAt: string | undefined;
  readonly lastContactAt: Date | undefined;
  readonly lastRun:
    | (Pick<RunResult, 'due' | 'renewed' | 'failed' | 'postponed' | 'next'> & { readonly at: Date })
    | undefined;
  readonly trouble: readonly Trouble[];
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'CERTBUS_UNEXPECTED';

/** Keeps the report of a daemon, and is told what it is made of. */
export interface HealthKeeper {
  /** The bus answered. */
  contact(): void;
  ran(result: RunResult): void;
  failed(error: unknown, during: 'run' | 'follow'): void;
  report(): HealthReport;
}

/** Keeps the report of a manager that runs. */
export function createHealth(manager: Pick<Manager, 'checkpoint' | 'state'>, now: () => Date): HealthKeeper {
  let lastContactAt: Date | undefined;
  let lastRun: DaemonHealth['lastRun'];
  const trouble = new Map<Trouble['during'], Trouble>();
  const read = (): DaemonHealth => ({
    ready: lastRun !== undefined && trouble.size === 0,
    position: manager.checkpoint.position,
    newestCommitAt: manager.state.bus.newestAt,
    lastContactAt,
    lastRun,
    trouble: [...trouble.values()],
  });
  return {
    contact() {
      lastContactAt = now();
      trouble.delete('follow');
    },
    ran({ due, renewed, failed, postponed, next, problems }) {
      lastRun = { at: now(), due, renewed, failed, postponed, next };
      for (const during of trouble.keys()) if (during !== 'follow') trouble.delete(during);
      for (const { during, error } of problems) trouble.set(during, { during, code: codeOf(error) });
    },
    failed(error, during) {
      trouble.set(during, { during, code: codeOf(error) });
    },
    report() {
      const report = read();
      return { ready: report.ready, report };
    },
  };
}
