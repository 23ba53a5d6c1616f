/** What an invocation did, as the function answers it and writes it to its log. */
import type { RunResult } from '@certbus/manager';
import { LambdaError } from './errors.ts';

/** The answer of the function: what one run did. */
export interface Summary extends Pick<RunResult, 'due' | 'renewed' | 'failed' | 'postponed' | 'position'> {
  /** Whether this was the first invocation of this process. */
  readonly cold: boolean;
  /** How long the run took, milliseconds. */
  readonly durationMs: number;
  /** When there is something to do again unless the bus changes before that. */
  readonly next: string;
  /** What went wrong beside the renewals, such as the check-in: code and message. The next run tries it again. */
  readonly warnings: readonly string[];
}

/** A certificate that was due and was not renewed, since it or its CA failed. */
export interface Problem {
  readonly names: readonly string[];
  /** Code and message; the code alone says what to look up. */
  readonly error: string;
}

/** As many problems are written down; the bus has them all. */
const MAX_PROBLEMS = 10;
const METRICS = [
  ['Due', 'due', 'Count'],
  ['Renewed', 'renewed', 'Count'],
  ['Failed', 'failed', 'Count'],
  ['Postponed', 'postponed', 'Count'],
  ['Duration', 'durationMs', 'Milliseconds'],
] as const satisfies readonly Metric<Summary>[];

/** An error in a line: its code, where it has one, and its message. */
export function describeError(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? `${String(error.code)}: ` : '';
  return `${code}${message}`;
}

/** The summary of a run. */
export function summaryOf(
  { due, renewed, failed, postponed, position, next, problems }: RunResult,
  { cold, durationMs }: Pick<Summary, 'cold' | 'durationMs'>,
): Summary {
  const warnings = problems.map(({ error }) => describeError(error));
  return { due, renewed, failed, postponed, position, cold, durationMs, next: next.toISOString(), warnings };
}

/** Whether a certificate failed, or its CA did, or it has ended or is about to and nobody is at work on it. */
function isProblem({ outcome, isEnding = false, error }: RunResult['outcomes'][number]): boolean {
  if (outcome === 'failed' || (outcome === 'postponed' && error !== undefined)) return true;
  return isEnding && outcome !== 'claimed-elsewhere';
}

/** The certificates that have to be looked at. */
export function problemsOf({ outcomes }: Pick<RunResult, 'outcomes'>): readonly Problem[] {
  return outcomes
    .filter(isProblem)
    .map(({ names, outcome, error }) => ({ names, error: error === undefined ? outcome : describeError(error) }));
}

/** A metric: its name, the field of the summary, and its unit. */
export type Metric<Fields> = readonly [name: string, field: keyof Fields & string, unit: 'Count' | 'Milliseconds'];

/**
 * What an invocation did as one line of a log: CloudWatch takes its metrics out of it, without a request (embedded metric format). It is for
 * standard output itself: what `console` prints, the log format JSON wraps.
 */
export function metricLine<Fields extends object>(
  summary: Fields,
  metrics: readonly Metric<Fields>[],
  {
    problems,
    isWarned = false,
    functionName,
    at,
  }: {
    readonly problems: readonly Problem[];
    /** Whether something less went wrong. Default false. */
    readonly isWarned?: boolean;
    readonly functionName: string;
    readonly at: Date;
  },
): string {
  const Metrics = metrics.map(([Name, , Unit]) => ({ Name, Unit }));
  const values = Object.fromEntries(metrics.map(([name, field]) => [name, summary[field]]));
  const CloudWatchMetrics = [{ Namespace: 'CertBus', Dimensions: [['FunctionName']], Metrics }];
  return JSON.stringify({
    level: problems.length > 0 ? 'ERROR' : isWarned ? 'WARN' : 'INFO',
    message: 'run',
    ...summary,
    ...(problems.length > 0 ? { problems: problems.slice(0, MAX_PROBLEMS) } : {}),
    FunctionName: functionName,
    ...values,
    _aws: { Timestamp: at.getTime(), CloudWatchMetrics },
  });
}

/** The summary of a run of the manager as one line of a log. */
export const logLine = (summary: Summary, options: Omit<Parameters<typeof metricLine>[2], 'isWarned'>): string =>
  metricLine(summary, METRICS, { ...options, isWarned: summary.warnings.length > 0 });

/** The first problems, for the message of an error. */
export function shownProblems(problems: readonly Problem[]): string {
  const first = problems.slice(0, MAX_PROBLEMS);
  return first.map(({ names, error }) => `${names.join(', ')}: ${error}`).join(' | ');
}

/**
 * A run in which something failed, `CERTBUS_LAMBDA_RUN_FAILED`. Lambda counts it, so that the alarm on errors goes off; the run itself did all that it
 * could.
 */
export class RunFailedError extends LambdaError {
  override readonly name = 'CertBusRunFailed';

  constructor({ due, renewed, failed, postponed, position }: Summary, problems: readonly Problem[]) {
    const counts = `due ${due}, renewed ${renewed}, failed ${failed}, postponed ${postponed}, position ${position}`;
    super(
      'CERTBUS_LAMBDA_RUN_FAILED',
      `Not every certificate that was due was renewed (${counts}). ${shownProblems(problems)}`,
    );
  }
}
