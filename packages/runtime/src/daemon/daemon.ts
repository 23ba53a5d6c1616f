/** Entry: a manager that renews by itself until it is stopped. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Progress, RunResult } from '@certbus/manager';
import { notifySystemd, openPages, startWatchdog } from '@certbus/store/service';
import { Registry } from 'prom-client';
import type { Environment } from '../environment.ts';
import { type ManagerSettings, withManager } from '../with-manager.ts';
import { createHealth, type HealthKeeper } from './health.ts';
import { keepRenewing, type LoopListener } from './loop.ts';
import { createMetrics, type Metrics } from './metrics.ts';

/** How a daemon behaves. */
export interface DaemonOptions extends ManagerSettings {
  /** Stops it: what is under way is broken off and its claims are released within 5 seconds. */
  readonly signal: AbortSignal;
  /** Port of `/healthz` and `/metrics`; 0 for any. Default: no pages. */
  readonly port?: number | undefined;
  /** Address that the pages are on; default `127.0.0.1`. */
  readonly host?: string | undefined;
  /** Time between two looks at a bus that does not tell when it is written to, milliseconds; default 10,000. */
  readonly intervalMs?: number | undefined;
  /** Takes a line about what happened. */
  readonly log: (line: string) => void;
  readonly onProgress?: (progress: Progress) => void;
}

const STOP_MS = 5_000;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What a run did, in lines; none where there was nothing to do. */
function describeRun({ due, renewed, failed, postponed, outcomes, next }: RunResult): string[] {
  if (due === 0 && outcomes.length === 0) return [];
  const failures = outcomes.filter(({ outcome }) => outcome === 'failed');
  const ending = outcomes.filter(({ isEnding }) => isEnding).length;
  const left = ending > 0 ? `; ${ending} that have ended or are about to were not renewed` : '';
  return [
    ...failures.map(({ certificateId, names, error }) => `${certificateId} (${names.join(', ')}): ${messageOf(error)}`),
    `${due} due: ${renewed} renewed, ${failed} failed, ${postponed} left for later${left}; next at ${next.toISOString()}`,
  ];
}

/** Reports each trouble once, until there is another or none. */
function createTroubleLog(log: (line: string) => void) {
  const known = new Map<string, string>();
  return {
    raise(during: string, error: unknown) {
      const message = messageOf(error);
      if (known.get(during) !== message) log(message);
      known.set(during, message);
    },
    clear(during: string) {
      if (known.delete(during)) log(during === 'follow' ? 'the bus answers again' : 'renewals go on again');
    },
  };
}

function listen(log: (line: string) => void, health: HealthKeeper, metrics: Metrics): LoopListener {
  const trouble = createTroubleLog(log);
  return {
    contact() {
      health.contact();
      trouble.clear('follow');
    },
    ran(result) {
      health.ran(result);
      metrics.ran(result);
      trouble.clear('run');
      for (const line of describeRun(result)) log(line);
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
  const { signal, port, host, intervalMs, log, onProgress, ...settings } = options;
  const { now = () => new Date() } = settings;
  const registry = new Registry();
  const metrics = createMetrics(registry);
  await withManager(
    environment,
    async (manager, { bus }) => {
      metrics.measure(manager, now);
      const health = createHealth(manager, now);
      const pages =
        port === undefined
          ? undefined
          : await openPages(health.report, { port, metrics: registry, ...(host === undefined ? {} : { host }) });
      if (pages) log(`health and metrics on http://${host ?? '127.0.0.1'}:${pages.port}`);
      try {
        using _watchdog = startWatchdog();
        await notifySystemd('READY=1');
        log(`ready, at position ${manager.checkpoint.position} of the bus`);
        const listener = listen(log, health, metrics);
        const progress = onProgress ? { onProgress } : {};
        await untilStopped(keepRenewing({ manager, bus, intervalMs, now, signal, listener, ...progress }), signal);
        log('stopped; what was under way is released, and any manager goes on with it');
      } finally {
        await notifySystemd('STOPPING=1');
        await pages?.close();
      }
    },
    { ...settings, observe: metrics.observe },
  );
}
