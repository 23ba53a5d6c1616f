/** The metrics of a manager for Prometheus. */
import { ALERT_KINDS, type Manager, type ObserveAuthority, type QueueSizes, type RunResult } from '@certbus/manager';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** What the numbers are read of when a monitor asks. */
export type Measured = Pick<Manager, 'counts' | 'checkpoint' | 'state' | 'quotas'>;

/** Takes what happens, for metrics. */
export interface Metrics {
  readonly observe: ObserveAuthority;
  queued(sizes: QueueSizes): void;
  ran(result: RunResult): void;
  /** Following the bus or a run failed; counted where the bus, its history or the replica is the reason. */
  failed(error: unknown, during: 'run' | 'follow'): void;
  /** Reads the numbers of this manager from now on. */
  measure(manager: Measured, now: () => Date): void;
}

const DAY_MS = 86_400_000;
/** Certificates that end within so long are counted. */
const WITHIN: readonly (readonly [label: string, ms: number])[] = [
  ['0d', 0],
  ['1d', DAY_MS],
  ['3d', 3 * DAY_MS],
  ['7d', 7 * DAY_MS],
  ['14d', 14 * DAY_MS],
  ['30d', 30 * DAY_MS],
];

const hostOf = (directory: string): string => (URL.canParse(directory) ? new URL(directory).host : directory);

const resultOf = (result: number | string): string =>
  typeof result === 'number' ? `${Math.floor(result / 100)}xx` : result;

/** The code of an error of the bus, its history or the replica; `undefined` for any other. */
function busCodeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = 'code' in error ? String(error.code) : '';
  return /^CERTBUS_(?:STORE|REPLICA|EVENTS)_/.test(code) ? code : busCodeOf(error.cause);
}

/** What a gauge shows of a manager at an instant. */
type Show<L extends string> = (gauge: Gauge<L>, manager: Measured, now: Date) => void | Promise<void>;

/** Shows the least of all that has the same labels: one host can have several directories. */
function showLeast<L extends string>(
  gauge: Gauge<L>,
  found: Iterable<{ readonly labels: Readonly<Record<L, string>>; readonly value: number }>,
): void {
  const least = new Map<string, number>();
  for (const { labels, value } of found) {
    const key = JSON.stringify(labels);
    const smallest = Math.min(value, least.get(key) ?? value);
    least.set(key, smallest);
    gauge.set(labels, smallest);
  }
}

/** Registers the metrics of one manager, each named `certbus_manager_…`. Those that are read of it have no value before {@link Metrics.measure}. */
export function createMetrics(registry: Registry): Metrics {
  const registers = [registry];
  let measured: { readonly manager: Measured; readonly now: () => Date } | undefined;

  function shown<L extends string>(name: string, help: string, labelNames: readonly L[], show: Show<L>): void {
    new Gauge<L>({
      name: `certbus_manager_${name}`,
      help,
      labelNames,
      registers,
      async collect() {
        this.reset();
        if (measured) await show(this, measured.manager, measured.now());
      },
    });
  }
  shown('position', 'Position of the bus that the manager has read', [], (gauge, { checkpoint }) =>
    gauge.set(checkpoint.position),
  );
  shown('newest_commit_age_seconds', 'Age of the newest commit on the bus', [], (gauge, { state }, now) => {
    const { newestAt } = state.bus;
    if (newestAt !== undefined) gauge.set((now.getTime() - Date.parse(newestAt)) / 1_000);
  });
  shown('certificates', 'Certificates that are served', [], (gauge, manager) => gauge.set(manager.counts().served));
  shown('due', 'Certificates to act on now', [], (gauge, manager) => gauge.set(manager.counts().due));
  shown(
    'overdue',
    'Certificates with a sixth of their lifetime or less left, ended or revoked, and not renewed',
    [],
    (gauge, manager) => gauge.set(manager.counts().overdue),
  );
  shown('failing', 'Certificates that failed since they were last issued', ['class'], (gauge, manager) => {
    for (const [failureClass, count] of manager.counts().failing) gauge.set({ class: failureClass }, count);
  });
  shown('first_expiry_seconds', 'Time until the first certificate of a CA ends', ['ca'], (gauge, manager, now) => {
    const counts = manager.counts();
    const { accounts, closedAccounts } = manager.state.bus;
    // What came from an account that was given up is served still.
    const ends = [...accounts, ...closedAccounts].flatMap(({ directory }) => {
      const at = counts.firstEnd(directory);
      return at ? [{ labels: { ca: hostOf(directory) }, value: (at.getTime() - now.getTime()) / 1_000 }] : [];
    });
    showLeast(gauge, ends);
  });
  shown('ending', 'Certificates that end within a time', ['within'], (gauge, manager, now) => {
    const counts = manager.counts();
    for (const [within, ms] of WITHIN) gauge.set({ within }, counts.endingBefore(new Date(now.getTime() + ms)));
  });

  shown('alerts', 'Alerts that were sent and are not over', ['alert'], (gauge, { state }) => {
    const raised = state.bus.alerts.filter(({ until }) => until === undefined);
    for (const kind of ALERT_KINDS) gauge.set({ alert: kind }, raised.filter(({ alert }) => alert === kind).length);
  });
  // Without a configuration nothing can be ordered: no value, and the rest of the page.
  const quotasOf = async (manager: Measured) => {
    const quotas = await manager.quotas().catch(() => []);
    return quotas.map((quota) => ({ ...quota, labels: { ca: hostOf(quota.directory), limit: quota.limit } }));
  };
  shown('quota_left', 'What is left of a limit of a CA', ['ca', 'limit'], async (gauge, manager) => {
    const quotas = await quotasOf(manager);
    showLeast(
      gauge,
      quotas.map(({ labels, left }) => ({ labels, value: Math.floor(left) })),
    );
  });
  shown(
    'quota_left_ratio',
    'Which part of a limit of a CA is left, from 0 to 1',
    ['ca', 'limit'],
    async (gauge, manager) => {
      const quotas = await quotasOf(manager);
      showLeast(
        gauge,
        quotas.map(({ labels, left, capacity }) => ({ labels, value: left / capacity })),
      );
    },
  );

  const queue = new Gauge({
    name: 'certbus_manager_queue',
    help: 'Certificates that wait for their turn',
    labelNames: ['kind'],
    registers,
  });
  const underWay = new Gauge({ name: 'certbus_manager_under_way', help: 'Orders that are under way', registers });
  const nextRun = new Gauge({
    name: 'certbus_manager_next_run_timestamp_seconds',
    help: 'When there is something to do again unless the bus changes',
    registers,
  });
  const runs = new Counter({
    name: 'certbus_manager_runs_total',
    help: 'Runs over what is due',
    labelNames: ['result'],
    registers,
  });
  const sideFailures = new Counter({
    name: 'certbus_manager_side_failures_total',
    help: 'What failed apart from the renewals of a run',
    labelNames: ['during'],
    registers,
  });
  const outcomes = new Counter({
    name: 'certbus_manager_outcomes_total',
    help: 'What became of due certificates',
    labelNames: ['outcome'],
    registers,
  });
  const orders = new Counter({
    name: 'certbus_manager_orders_total',
    help: 'Orders at a CA that ended',
    labelNames: ['ca', 'outcome'],
    registers,
  });
  const requests = new Counter({
    name: 'certbus_manager_ca_requests_total',
    help: 'Requests to a CA, by the class of their status or by what broke',
    labelNames: ['ca', 'endpoint', 'result'],
    registers,
  });
  const latency = new Histogram({
    name: 'certbus_manager_ca_request_seconds',
    help: 'Time of a request to a CA',
    labelNames: ['ca'],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  });
  const waits = new Counter({
    name: 'certbus_manager_ca_limit_wait_seconds_total',
    help: 'Time that requests waited for a limit of a CA',
    labelNames: ['ca', 'limit'],
    registers,
  });
  const busErrors = new Counter({
    name: 'certbus_manager_bus_errors_total',
    help: 'Failures of the bus, its history or the replica',
    labelNames: ['code'],
    registers,
  });

  function countBusError(error: unknown): void {
    const code = busCodeOf(error);
    if (code !== undefined) busErrors.inc({ code });
  }

  return {
    observe(event, directory) {
      const ca = hostOf(directory);
      if (event.type === 'request') {
        requests.inc({ ca, endpoint: event.endpoint, result: resultOf(event.result) });
        latency.observe({ ca }, event.ms / 1_000);
      } else if (event.type === 'wait') waits.inc({ ca, limit: event.for }, event.ms / 1_000);
      else if (event.type === 'order')
        orders.inc({ ca, outcome: event.outcome === 'issued' ? 'issued' : (event.class ?? event.code ?? 'aborted') });
    },
    queued({ waiting, underWay: running }) {
      for (const [kind, count] of Object.entries(waiting)) queue.set({ kind }, count);
      underWay.set(running);
    },
    ran({ outcomes: ended, problems, next }) {
      runs.inc({ result: 'ok' });
      for (const { during, error } of problems) {
        sideFailures.inc({ during });
        countBusError(error);
      }
      for (const { outcome, error } of ended) {
        outcomes.inc({ outcome });
        countBusError(error);
      }
      nextRun.set(next.getTime() / 1_000);
    },
    failed(error, during) {
      if (during === 'run') runs.inc({ result: 'failed' });
      countBusError(error);
    },
    measure(manager, now) {
      measured = { manager, now };
    },
  };
}
