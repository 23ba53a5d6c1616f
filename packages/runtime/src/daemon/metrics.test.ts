/** Tests of what the metrics make of several CAs at one host. */
import { readFileSync } from 'node:fs';
import { ALERT_KINDS, type Quota, type RenewalOutcome, type RunResult, SIDE_TASKS } from '@certbus/manager';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { createMetrics, type Measured } from './metrics.ts';

const DAEMON_PAGE = new URL('../../../../docs/guides/run-the-daemon.md', import.meta.url);

const NOW = new Date('2026-11-29T12:00:00Z');
const DIRECTORIES = [
  'https://ca.test/one/directory',
  'https://ca.test/two/directory',
  'https://ca.test/three/directory',
];
/** What the first, the second and the third have: the least is in the middle. */
const LEFT = [30, 10, 20];

test('of several directories at one host the least is shown: what ends first, also of an account that was given up, and what leaves least room', async () => {
  const registry = new Registry();
  const quotas = DIRECTORIES.map((directory, n): Quota => {
    return { limit: 'orders', directory, subject: directory, capacity: 100, left: LEFT[n] ?? 0 };
  });
  const counts = {
    served: 3,
    due: 0,
    overdue: 0,
    failing: new Map(),
    firstEnd: (directory: string) => new Date(NOW.getTime() + (LEFT[DIRECTORIES.indexOf(directory)] ?? 0) * 1_000),
    endingBefore: () => 0,
  };
  const [accounts, closedAccounts] = [[0, 2], [1]].map((numbers) =>
    numbers.map((n) => ({ directory: DIRECTORIES[n] })),
  );
  const bus = { accounts, closedAccounts, alerts: [], newestAt: undefined };
  const manager: unknown = {
    counts: () => counts,
    checkpoint: { position: 1 },
    state: { bus },
    quotas: () => Promise.resolve(quotas),
  };
  createMetrics(registry).measure(manager as Measured, () => NOW);
  const page = await registry.metrics();
  const shown = (name: string) => page.split('\n').filter((line) => line.startsWith(`certbus_manager_${name}{`));
  expect(shown('first_expiry_seconds')).toEqual(['certbus_manager_first_expiry_seconds{ca="ca.test"} 10']);
  expect(shown('quota_left')).toEqual(['certbus_manager_quota_left{ca="ca.test",limit="orders"} 10']);
  expect(shown('quota_left_ratio')).toEqual(['certbus_manager_quota_left_ratio{ca="ca.test",limit="orders"} 0.1']);
});

const DAY_MS = 86_400_000;
const OUTCOMES: Readonly<Record<RenewalOutcome['outcome'], true>> = {
  renewed: true,
  'claimed-elsewhere': true,
  'no-longer-due': true,
  failed: true,
  postponed: true,
  'backed-off': true,
  quarantined: true,
};

/** The series of a page, by their name with labels, without the beginning that all have. */
function seriesOf(page: string): ReadonlyMap<string, string> {
  const lines = page.split('\n').filter((line) => line.startsWith('certbus_manager_'));
  return new Map(
    lines.map((line) => {
      const [name = '', value = ''] = line.slice('certbus_manager_'.length).split(/ (?=\S+$)/);
      return [name, value];
    }),
  );
}

/** What the page that lists the metrics says of one. */
const documented = (name: string): string =>
  new RegExp(`^\\| \`certbus_manager_${name}\\{.*$`, 'm').exec(readFileSync(DAEMON_PAGE, 'utf8'))?.[0] ?? '';

/** A run in which one certificate each had the outcomes, and the side tasks failed. */
const runOf = (outcomes: readonly RenewalOutcome[], problems: RunResult['problems'] = []): RunResult =>
  ({ outcomes, problems, next: NOW }) as unknown as RunResult;

const outcomeOf = (outcome: RenewalOutcome['outcome'], error?: unknown): RenewalOutcome => ({
  certificateId: 'id',
  names: [],
  outcome,
  ...(error === undefined ? {} : { error }),
});

test('every outcome, side task, kind of work and end of a run moves a series of its own, which the page lists', async () => {
  const registry = new Registry();
  const metrics = createMetrics(registry);
  const expected = new Map<string, string>();
  const expectSeries = (name: string, label: string, value: string, count: number) => {
    expected.set(`${name}{${label}="${value}"}`, String(count));
    expect(documented(name), `${name} ${value}`).toContain(`\`${value}\``);
  };
  for (const [n, outcome] of (Object.keys(OUTCOMES) as RenewalOutcome['outcome'][]).entries()) {
    metrics.ran(runOf(Array.from({ length: n + 1 }, () => outcomeOf(outcome))));
    expectSeries('outcomes_total', 'outcome', outcome, n + 1);
  }
  for (const [n, during] of SIDE_TASKS.entries()) {
    metrics.ran(
      runOf(
        [],
        Array.from({ length: n + 1 }, () => ({ during, error: new Error('no') })),
      ),
    );
    expectSeries('side_failures_total', 'during', during, n + 1);
  }
  const waiting = { new: 3, renewal: 4, retry: 5 };
  metrics.queued({ waiting, underWay: 6 });
  for (const [kind, count] of Object.entries(waiting)) expectSeries('queue', 'kind', kind, count);
  metrics.failed(new Error('a run'), 'run');
  metrics.failed(new Error('not a run'), 'follow');
  expectSeries('runs_total', 'result', 'ok', Object.keys(OUTCOMES).length + SIDE_TASKS.length);
  expectSeries('runs_total', 'result', 'failed', 1);
  const shown = seriesOf(await registry.metrics());
  for (const [series, value] of expected) expect([series, shown.get(series)]).toEqual([series, value]);
  expect(shown.get('under_way')).toBe('6');
});

test('what a CA answers, what broke, what was waited for and how orders ended are told apart', async () => {
  const registry = new Registry();
  const { observe } = createMetrics(registry);
  const [directory = ''] = DIRECTORIES;
  for (const result of [200, 201, 304, 403, 429, 503, 'timeout', 'connection'])
    observe({ type: 'request', endpoint: 'new-order', result, ms: 100 }, directory);
  for (const kind of ['accounts', 'orders', 'failures', 'new-order'] as const)
    observe({ type: 'wait', for: kind, ms: 1_500 }, directory);
  observe({ type: 'order', outcome: 'issued', ms: 1 }, directory);
  const failed = { type: 'order', outcome: 'failed', ms: 1 } as const;
  observe({ ...failed, code: 'CERTBUS_ACME_PROBLEM', class: 'rate-limited' }, directory);
  observe({ ...failed, code: 'CERTBUS_ACME_UNREACHABLE', class: undefined }, directory);
  observe({ ...failed, code: undefined, class: undefined }, directory);
  const shown = seriesOf(await registry.metrics());
  const ofRequests = ['2xx', '3xx', '4xx', '5xx', 'timeout', 'connection'].map((result) =>
    shown.get(`ca_requests_total{ca="ca.test",endpoint="new-order",result="${result}"}`),
  );
  expect(ofRequests).toEqual(['2', '1', '2', '1', '1', '1']);
  for (const limit of ['accounts', 'orders', 'failures', 'new-order'])
    expect(shown.get(`ca_limit_wait_seconds_total{ca="ca.test",limit="${limit}"}`)).toBe('1.5');
  for (const outcome of ['issued', 'rate-limited', 'CERTBUS_ACME_UNREACHABLE', 'aborted'])
    expect(shown.get(`orders_total{ca="ca.test",outcome="${outcome}"}`)).toBe('1');
});

test('an error of the bus counts by its code wherever it is met, and one of a CA does not', async () => {
  const registry = new Registry();
  const metrics = createMetrics(registry);
  const coded = (code: string, cause?: unknown) => Object.assign(new Error(code, { cause }), { code });
  metrics.failed(coded('CERTBUS_STORE_UNREACHABLE'), 'follow');
  metrics.failed(coded('CERTBUS_REPLICA_FAILED'), 'run');
  const within = coded('CERTBUS_MANAGER_CLAIM_LOST', coded('CERTBUS_STORE_UNREACHABLE'));
  metrics.ran(runOf([outcomeOf('failed', within)], [{ during: 'heartbeat', error: coded('CERTBUS_EVENTS_GAP') }]));
  metrics.ran(runOf([outcomeOf('failed', coded('CERTBUS_ACME_UNREACHABLE'))]));
  const counted = [...seriesOf(await registry.metrics())].filter(([name]) => name.startsWith('bus_errors_total{'));
  expect(new Map(counted)).toEqual(
    new Map([
      ['bus_errors_total{code="CERTBUS_STORE_UNREACHABLE"}', '2'],
      ['bus_errors_total{code="CERTBUS_REPLICA_FAILED"}', '1'],
      ['bus_errors_total{code="CERTBUS_EVENTS_GAP"}', '1'],
    ]),
  );
});

test('each kind of alert, class of failure and time until an end has a series of its own', async () => {
  const registry = new Registry();
  const alerts = ALERT_KINDS.flatMap((alert, n) => [
    ...Array.from({ length: n + 1 }, (_, subject) => ({ alert, subject: String(subject), until: undefined })),
    // One that is over and was not told everywhere.
    { alert, subject: 'over', until: NOW.toISOString() },
  ]);
  const failing = new Map([
    ['temporary', 2],
    ['permanent-name', 3],
  ]);
  const days = (date: Date) => (date.getTime() - NOW.getTime()) / DAY_MS;
  const counts = { served: 9, due: 8, overdue: 7, failing, firstEnd: () => undefined, endingBefore: days };
  const manager: unknown = {
    counts: () => counts,
    checkpoint: { position: 1 },
    state: {
      bus: { accounts: [], closedAccounts: [], alerts, newestAt: new Date(NOW.getTime() - 60_000).toISOString() },
    },
    // Without a configuration there is nothing to order by, and the rest of the page stays.
    quotas: () => Promise.reject(new Error('no configuration')),
  };
  createMetrics(registry).measure(manager as Measured, () => NOW);
  const shown = seriesOf(await registry.metrics());
  for (const [n, kind] of ALERT_KINDS.entries()) expect(shown.get(`alerts{alert="${kind}"}`)).toBe(String(n + 1));
  for (const [failureClass, count] of failing)
    expect(shown.get(`failing{class="${failureClass}"}`)).toBe(String(count));
  for (const within of [0, 1, 3, 7, 14, 30]) {
    expect(shown.get(`ending{within="${within}d"}`)).toBe(String(within));
    expect(documented('ending')).toContain(`\`${within}d\``);
  }
  expect(['certificates', 'due', 'overdue', 'newest_commit_age_seconds'].map((name) => shown.get(name))).toEqual([
    '9',
    '8',
    '7',
    '60',
  ]);
  expect([...shown.keys()].filter((name) => name.startsWith('quota_'))).toEqual([]);
});
