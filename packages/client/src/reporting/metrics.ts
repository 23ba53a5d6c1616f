/** Entry: the metrics of a client for Prometheus; needs the package `prom-client`. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Health } from '../health.ts';
import { countsOnly, type MaterialEvents } from '../serving/events.ts';
import type { CertificateSummary } from '../serving/material-source.ts';

/** What is measured, such as what `connect` and `openMaterial` give. */
export interface Measured {
  health(): Health;
  certificates(): Iterable<CertificateSummary>;
  on(event: 'alarm', listener: (...args: MaterialEvents['alarm']) => void): unknown;
  on(event: 'changed', listener: (...args: MaterialEvents['changed']) => void): unknown;
}

/** Certificates that have a series of their own each; where there are more, none has. */
const MAX_LABELLED = 1_000;

const secondsOf = (instant: Date | undefined): number => (instant ? instant.getTime() / 1_000 : Number.NaN);

/** A gauge by the report: its name behind `certbus_`, what it is, and its value. */
type Measure = readonly [name: string, help: string, value: (health: Health) => number];

const MEASURES: readonly Measure[] = [
  ['ready', 'Whether this server can answer clients', ({ ready }) => Number(ready)],
  ['live', 'Whether it has caught up with the bus since it started', ({ live }) => Number(live)],
  ['following', 'Whether this process follows the bus itself', ({ following }) => Number(following)],
  ['trouble', 'Whether something is between this server and the bus', ({ trouble }) => Number(trouble !== undefined)],
  ['position', 'Position of the bus that is served', ({ position }) => position],
  ['lag_seconds', 'Since when this machine may lack something of the bus', ({ lagMs = Number.NaN }) => lagMs / 1_000],
  ['last_contact_timestamp_seconds', 'When the bus last answered', ({ lastContactAt }) => secondsOf(lastContactAt)],
  [
    'newest_commit_timestamp_seconds',
    'When the newest commit was signed',
    ({ newestCommitAt }) => secondsOf(newestCommitAt),
  ],
  [
    'offline_budget_seconds',
    'How long this server can go on without the bus',
    ({ offlineBudgetMs = Number.NaN }) => offlineBudgetMs / 1_000,
  ],
  ['certificates', 'Certificates that are served', ({ certificates }) => certificates.served],
  ['certificates_expired', 'Those of them that have ended', ({ certificates }) => certificates.expired],
  [
    'certificates_ending_within_7_days',
    'Those of them that end within 7 days',
    ({ certificates }) => certificates.endingWithin7Days,
  ],
  [
    'unopened_keys',
    'Certificates whose key does not open here, as far as clients asked for them',
    ({ unopenedKeyCount }) => unopenedKeyCount,
  ],
];

/** When each certificate ends, while there are few enough of them. */
function collectEnds(client: Measured, ends: Gauge<'certificate_id' | 'name'>): void {
  ends.reset();
  if (client.health().certificates.served > MAX_LABELLED) return;
  try {
    for (const { certificateId, names, notAfter } of client.certificates())
      ends.set({ certificate_id: certificateId, name: names[0] ?? '' }, secondsOf(notAfter));
  } catch {
    // A replica that is closed or damaged: certbus_ready says so.
    ends.reset();
  }
}

/**
 * Registers the metrics of a client, each named `certbus_…`. They are read when the registry is asked; above 1,000 certificates none of them has
 * a label for a name. One client a registry.
 */
export function collectMetrics(client: Measured, registry: Registry): void {
  const registers = [registry];
  for (const [name, help, value] of MEASURES) {
    new Gauge({
      name: `certbus_${name}`,
      help,
      registers,
      collect() {
        this.set(value(client.health()));
      },
    });
  }
  new Gauge({
    name: 'certbus_certificate_not_after_timestamp_seconds',
    help: 'When a certificate ends; absent where there are more than 1,000 of them',
    labelNames: ['certificate_id', 'name'],
    registers,
    collect() {
      collectEnds(client, this);
    },
  });
  new Counter({
    name: 'certbus_missing_names_total',
    help: 'Handshakes for a name without a certificate',
    registers,
    collect() {
      this.reset();
      this.inc(client.health().missingNameCount);
    },
  });
  new Counter({
    name: 'certbus_replica_damage_total',
    help: 'How often something of the replica did not read',
    registers,
    collect() {
      this.reset();
      this.inc(client.health().damageCount);
    },
  });
  const changes = new Counter({
    name: 'certbus_changes_total',
    help: 'Certificates that came, were renewed or were removed',
    labelNames: ['kind'],
    registers,
  });
  const alarms = new Counter({ name: 'certbus_alarms_total', help: 'Alarms', labelNames: ['code'], registers });
  client.on('changed', ({ removed }) => changes.inc({ kind: removed ? 'removed' : 'served' }));
  const count = (error: Error) => alarms.inc({ code: 'code' in error ? String(error.code) : error.name });
  client.on('alarm', countsOnly(count));
}
