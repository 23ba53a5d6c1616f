/** One published figure. */
export interface Figure {
  readonly figure: string;
  /** CertBus divided by the peer where there is one, else an absolute value in `unit`. */
  readonly value: number;
  readonly unit:
    | 'x'
    | 'us'
    | 'ms'
    | 's'
    | 'events a CPU s'
    | 'CPU s'
    | 'USD a month'
    | 'requests'
    | 'orders lost'
    | 'packages'
    | 'commands'
    | 'MB';
  /** The peer in the same run; absent for an absolute figure. */
  readonly against?: string;
  /** First and third quartile of the slices; of the samples where there is no peer. */
  readonly low: number;
  readonly high: number;
  /** The peer against itself, in the same interleaved slices: how far this run can be trusted. */
  readonly control?: number;
  readonly n: number;
}

/** How much a run may take. */
export interface BenchOptions {
  /** A tenth of the slices: to see that it works, not to publish. */
  readonly quick: boolean;
}

/** A benchmark: one file, one or more figures from one run. */
export type Benchmark = (options: BenchOptions) => Promise<readonly Figure[]>;

/** The value below which a share of the samples lies. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}
