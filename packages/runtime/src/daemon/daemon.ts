/** Entry: a manager that renews by itself until it is stopped. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Progress, type RunResult, SIDE_TASKS } from '@certbus/manager';
import { notifySystemd, openPages, startWatchdog } from '@certbus/store/service';
import { Registry } from 'prom-client';
import type { Environment } from '../environment.ts';
import type { WriteLine } from '../logger.ts';
import { type ManagerSettings, withManager } from '../with-manager.ts';
import { createHealth, type HealthKeeper, type Trouble } from './health.ts';
import { keepRenewing, type LoopListener } from './loop.ts';
import { createMetrics, type Metrics } from './metrics.ts';

/** How a daemon behaves. */
export interface DaemonOptions extends Omit<ManagerSettings, 'isLasting'> {
  /** Stops it: what is under way is broken off and its claims are released within 5 seconds. */
  readonly signal: AbortSignal;
  /** Port of `/healthz` and `/metrics`; 0 for any. Default: no pages. */
  readonly port?: number | undefined;
  /** Address that the pages are on; default `127.0.0.1`. */
  readonly host?: string | undefined;
  /** Time between two looks at a bus that does not report when it is written to, milliseconds; default 10,000. */
  readonly intervalMs?: number | undefined;
  /** Takes a line about what happened: `info`, or `warn` for what somebody should look at. */
  readonly log: WriteLine;
  readonly onProgress?: (progress: Progress) => void;
}

const STOP_MS = 5_000;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Logs what a run did; nothing where there was nothing to do. */
function logRun({ due, renewed, failed, postponed, outcomes, next }: RunResult, log: WriteLine): void {
  if (due === 0 && outcomes.length === 0) return;
  for (const { certificateId, names, outcome, error } of outcomes)
    if (outcome === 'failed') log(`${certificateId} (${names.join(', ')}): ${messageOf(error)}`, 'warn');
  const ending = outcomes.filter(({ isEnding }) => isEnding).length;
  const left = ending > 0 ? `; ${ending} that have ended or are about to were not renewed` : '';
  const counts = `${due} due: ${renewed} renewed, ${failed} failed, ${postponed} left for later${left}`;
  log(`${counts}; next at ${next.toISOString()}`, ending > 0 ? 'warn' : 'info');
}

/** What is said once a task that failed is done again. */
const RECOVERED: Readonly<Record<Trouble['during'], string>> = {
  follow: 'the bus answers again',
  run: 'renewals go on again',
  questions: 'the questions to the CAs about renewals go on again',
  heartbeat: 'the heartbeat is on the bus',
  campaigns: 'the end of campaigns is on the bus again',
  alerts: 'alerts reach people again',
  'check-in': 'the check-in answers again',
};

/** Reports each trouble once, until there is another or none. */
function createTroubleLog(log: WriteLine) {
  const known = new Map<Trouble['during'], string>();
  return {
    raise(during: Trouble['during'], error: unknown) {
      const message = messageOf(error);
      if (known.get(during) !== message) log(message, 'warn');
      known.set(during, message);
    },
    /** Ends what is known of these tasks; default of all. */
    clear(...tasks: readonly Trouble['during'][]) {
      for (const during of tasks) if (known.delete(during)) log(RECOVERED[during], 'info');
    },
  };
}

function listen(log: WriteLine, health: HealthKeeper, metrics: Metrics): LoopListener {
  const trouble = createTroubleLog(log);
  return {
    contact() {
      health.contact();
      trouble.clear('follow');
    },
    ran(result) {
      health.ran(result);
      metrics.ran(result);
      const failed = new Set(result.problems.map(({ during }) => during));
      trouble.clear('run', ...SIDE_TASKS.filter((task) => !failed.has(task)));
      logRun(result, log);
      for (const { during, error } of result.problems) trouble.raise(during, error);
    },
    failed(error, during) {
      health.failed(error, during);
      trouble.raise(during, error);
      metrics.failed(error, during);
    },
    queued: (sizes) => metrics.queued(sizes),
  };
}

/** Waits for what ends by a signal, but not for long once it has aborted: a bus that hangs keeps no daemon, and a claim ends by itself. */
async function untilStopped(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const late = Promise.withResolvers<void>();
  const stop = () => void sleep(STOP_MS, undefined, { ref: false }).then(late.resolve);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  await Promise.race([work, late.promise]);
}

/**
 * Runs a manager of this machine until the signal: it renews what is due when it is due, follows the bus, and takes up at once what other
 * managers leave there and what changes in the configuration. Tells systemd when it is ready, that it is alive, and that it stops, where
 * systemd started it. Any number of daemons can share a bus. What fails once it runs is logged and tried again.
 *
 * Rejects as `withManager`, and with the error of `listen` for the pages, such as `EADDRINUSE`.
 */
export async function runDaemon(environment: Environment, options: DaemonOptions): Promise<void> {
  try {
    await runStarted(environment, options);
  } catch (error) {
    // The bus, or a place of secrets, did not answer before it was stopped.
    if (!options.signal.aborted || error !== options.signal.reason) throw error;
    options.log('stopped before it was ready', 'info');
  }
}

async function runStarted(environment: Environment, options: DaemonOptions): Promise<void> {
  const { signal, port, host = '127.0.0.1', intervalMs, log, onProgress, ...settings } = options;
  const { now = () => new Date() } = settings;
  const registry = new Registry();
  const metrics = createMetrics(registry);
  await withManager(
    environment,
    async (manager, { bus, keep }) => {
      metrics.measure(manager, now);
      const health = createHealth(manager, now);
      const pages = port === undefined ? undefined : await openPages(health.report, { port, metrics: registry, host });
      if (pages) log(`health and metrics on ${pages.url}`, 'info');
      try {
        using _watchdog = startWatchdog();
        await notifySystemd('READY=1');
        log(`ready, at position ${manager.checkpoint.position} of the bus`, 'info');
        const heard = listen(log, health, metrics);
        const ran: LoopListener['ran'] = (result) => {
          heard.ran(result);
          // Nobody knows whether this process comes to its end.
          void keep();
        };
        const listener = { ...heard, ran };
        const progress = onProgress ? { onProgress } : {};
        await untilStopped(keepRenewing({ manager, bus, intervalMs, now, signal, listener, ...progress }), signal);
        log('stopped; what was under way is released, and any manager goes on with it', 'info');
      } finally {
        await notifySystemd('STOPPING=1');
        await pages?.close();
      }
    },
    { ...settings, signal, observe: metrics.observe, isLasting: true },
  );
}
