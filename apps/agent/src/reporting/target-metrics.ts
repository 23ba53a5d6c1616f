/** The metrics of an agent's targets for Prometheus. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Standing } from '../reconcile/pass.ts';
import type { TargetHealth } from './health.ts';

/** What is measured. */
export interface MeasuredTargets {
  health(): { readonly targets: readonly TargetHealth[] };
  /** The certificates of each target, by its name. */
  standings(): Iterable<readonly [target: string, standings: ReadonlyMap<string, Standing>]>;
}

/** Certificates, of all targets together, that have a series of their own each; where there are more, none has. */
const MAX_LABELLED = 1_000;

const secondsOf = (instant: Date | undefined): number => (instant ? instant.getTime() / 1_000 : Number.NaN);

/** A gauge by the report: its name behind `certbus_target_`, what it is, and its value. */
type Measure = readonly [name: string, help: string, value: (target: TargetHealth) => number];

const MEASURES: readonly Measure[] = [
  ['behind', 'Whether it has differed from the bus for so long that a person is needed', (t) => Number(t.isBehind)],
  ['behind_seconds', 'How long it has differed from the bus', ({ behindForMs }) => behindForMs / 1_000],
  ['paused', 'Whether it is paused', ({ isPaused }) => Number(isPaused)],
  ['trouble', 'Whether its last pass failed, or a certificate fails there', (t) => Number(t.trouble !== undefined)],
  ['certificates_wanted', 'Certificates that the bus has for it', ({ certificates }) => certificates.wanted],
  ['certificates_in_place', 'Certificates that are in place there', ({ certificates }) => certificates.inPlace],
  [
    'certificates_failing',
    'Certificates that it did not take or does not show',
    ({ certificates }) => certificates.failing,
  ],
  [
    'last_pass_timestamp_seconds',
    'When its last pass without an error of the target ended',
    ({ checkedAt }) => secondsOf(checkedAt),
  ],
  ['position', 'Position of the bus that this pass was for', ({ position = Number.NaN }) => position],
];

/** A counter with a label `result`: its name behind `certbus_target_`, what it is, and its values. */
type Count = readonly [name: string, help: string, values: (target: TargetHealth) => Readonly<Record<string, number>>];

const COUNTS: readonly Count[] = [
  [
    'passes_total',
    'Comparisons with the bus',
    ({ passes }) => ({ in_place: passes.inPlace, in_part: passes.inPart, failed: passes.failed }),
  ],
  [
    'reloads_total',
    'Commands that were run after a change',
    ({ reloads }) => (reloads ? { succeeded: reloads.succeeded, failed: reloads.failed } : {}),
  ],
];

/** Which certificates are in place, while there are few enough of them. */
function collectStandings(agent: MeasuredTargets, gauge: Gauge<'target' | 'certificate_id' | 'name'>): void {
  gauge.reset();
  const all = [...agent.standings()];
  if (all.reduce((sum, [, { size }]) => sum + size, 0) > MAX_LABELLED) return;
  for (const [target, standings] of all)
    for (const [certificateId, { names, problem }] of standings)
      gauge.set({ target, certificate_id: certificateId, name: names[0] ?? '' }, problem ? 0 : 1);
}

/**
 * Registers the metrics of an agent's targets, each named `certbus_target_…` with the label `target`. They are read when the registry is
 * asked; above 1,000 certificates none of them has a label for a name.
 */
export function collectTargetMetrics(agent: MeasuredTargets, registry: Registry): void {
  const registers = [registry];
  for (const [name, help, value] of MEASURES) {
    new Gauge({
      name: `certbus_target_${name}`,
      help,
      labelNames: ['target'],
      registers,
      collect() {
        for (const target of agent.health().targets) this.set({ target: target.name }, value(target));
      },
    });
  }
  for (const [name, help, values] of COUNTS) {
    new Counter({
      name: `certbus_target_${name}`,
      help,
      labelNames: ['target', 'result'],
      registers,
      collect() {
        this.reset();
        for (const target of agent.health().targets)
          for (const [result, count] of Object.entries(values(target)))
            this.inc({ target: target.name, result }, count);
      },
    });
  }
  new Gauge({
    name: 'certbus_target_certificate_in_place',
    help: 'Whether a certificate is in place at a target; absent where all targets together have more than 1,000',
    labelNames: ['target', 'certificate_id', 'name'],
    registers,
    collect() {
      collectStandings(agent, this);
    },
  });
}
