/** The JSON that a command prints with `--json`: one shape, where it did what it was asked and where it failed. */
import { clean } from '@certbus/runtime/local';
import { Errors } from '@oclif/core';
import { codeOf, nextSteps } from './exit-status.ts';

/** Why a command failed. */
export interface AnswerError {
  /** As `docs/errors.md` lists it. */
  readonly code: string;
  readonly message: string;
  /** What to do, where the message alone does not say it. */
  readonly next: readonly string[];
  /** DNS records that an error says are missing, as lines of a zone. */
  readonly records?: readonly string[];
  /** From when on it can work, ISO 8601, where that is known. */
  readonly until?: string;
}

/** What a command prints with `--json`. `docs/errors.md` describes it for users. */
export interface Answer {
  readonly status: 'ok' | 'failed';
  /** What the command found or did, also what it did before it failed; `null` where there is nothing to tell. */
  readonly result: unknown;
  readonly warnings: readonly string[];
  /** `null` exactly where `exitCode` is 0. */
  readonly error: AnswerError | null;
  /** The exit status of the process. */
  readonly exitCode: number;
}

/** Records of DNS that an error says are missing. */
function recordsOf(error: unknown): readonly string[] {
  return error instanceof Error && 'records' in error && Array.isArray(error.records)
    ? error.records.map((record) => clean(String(record)))
    : [];
}

/** The instant from which what failed can work. */
const untilOf = (error: unknown): string | undefined =>
  error instanceof Error && 'until' in error && error.until instanceof Date ? error.until.toISOString() : undefined;

/** An error as `--json` shows it. */
export function describeError(error: unknown): AnswerError {
  const message = error instanceof Error ? clean(error.message) : 'unknown';
  if (error instanceof Errors.CLIError)
    return { code: 'CERTBUS_CLI_USAGE', message: message.replace(/\s*See more help with --help$/, ''), next: [] };
  const records = recordsOf(error);
  const code = codeOf(error) ?? 'CERTBUS_UNEXPECTED';
  const until = untilOf(error);
  const more = { ...(records.length > 0 ? { records } : {}), ...(until ? { until } : {}) };
  return { code, message, next: nextSteps(error), ...more };
}
