/** The function: one run of the manager for each invocation. */
import { join } from 'node:path';
import { EventsError } from '@certbus/events';
import type { Manager } from '@certbus/manager';
import { type Environment, readEnvironment, readManagerKey, type Variables, withManager } from '@certbus/runtime';
import type { WriteLine } from '@certbus/runtime/local';
import { describeError, logLine, problemsOf, RunFailedError, type Summary, summaryOf } from './summary.ts';

/** What Lambda says of an invocation, as far as it is used here. */
export interface InvocationContext {
  readonly functionName?: string;
  getRemainingTimeInMillis(): number;
}

/** What the function takes from its process. */
export interface HandlerOptions {
  /** Default: the process's. */
  readonly variables?: Variables;
  /** Takes lines of the log. Default: standard output. */
  readonly write?: (line: string) => void;
  readonly now?: () => Date;
}

/** Runs for one event, whatever is in it. */
export type Handler = (event: unknown, context: InvocationContext) => Promise<Summary>;

/** So long before the end of the invocation nothing new is begun, and what is under way is released. */
const RELEASE_MS = 30_000;

/** The end of the run: 30 s before that of the invocation, or half of its time where that is shorter than a minute. */
function deadlineOf(context: InvocationContext, now: Date): Date {
  const leftMs = context.getRemainingTimeInMillis();
  return new Date(now.getTime() + Math.max(leftMs - RELEASE_MS, leftMs / 2));
}

/** A function has one folder that it can write, which a cold start finds empty, and its lines are JSON whatever is in them. */
function functionVariables(variables: Variables): Variables {
  const temporary = variables['TMPDIR'] || '/tmp';
  const CERTBUS_STATE_DIR = variables['CERTBUS_STATE_DIR'] || join(temporary, 'certbus');
  return { ...variables, CERTBUS_STATE_DIR, CERTBUS_LOG_FORMAT: 'text' };
}

/** Throws where the key is not one of this bus: where nothing is due, nothing would be signed, and nobody would notice. */
async function checkInForce({ checkpoint }: Manager, environment: Environment): Promise<void> {
  const { signer } = await readManagerKey(environment);
  if (checkpoint.managers.some(({ signingKey }) => signingKey === signer.publicKey)) return;
  const what = `The manager key of this function is not that of a manager of ${environment.config.bus}. Is it the key of another bus, or was this manager removed?`;
  throw new EventsError('CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE', what);
}

/**
 * Makes the function. Keys and secrets are read at its first invocation, and again after one that failed. It answers what the run did, or rejects
 * with a {@link RunFailedError}, which has the same counts, or with what kept the run from its end.
 */
export function createHandler({
  variables = process.env,
  write = (line) => void process.stdout.write(`${line}\n`),
  now = () => new Date(),
}: HandlerOptions = {}): Handler {
  let environment: Environment | undefined;
  let cold = true;
  const writeLine: WriteLine = (message, level) => write(JSON.stringify({ level: level.toUpperCase(), message }));
  const run = async (context: InvocationContext) => {
    environment ??= readEnvironment({ variables: functionVariables(variables), writeLine });
    const known = environment;
    return withManager(known, async (manager) => {
      await checkInForce(manager, known);
      return manager.runOnce({ deadline: deadlineOf(context, now()) });
    });
  };
  return async (_event, context) => {
    const begun = now();
    const wasCold = cold;
    cold = false;
    const { functionName = variables['AWS_LAMBDA_FUNCTION_NAME'] ?? 'certbus' } = context;
    try {
      const result = await run(context);
      const at = now();
      const summary = summaryOf(result, { cold: wasCold, durationMs: at.getTime() - begun.getTime() });
      const problems = problemsOf(result);
      write(logLine(summary, { problems, functionName, at }));
      if (problems.length > 0) throw new RunFailedError(summary, problems);
      return summary;
    } catch (error) {
      // A key that was replaced is read again.
      environment = undefined;
      if (!(error instanceof RunFailedError)) writeLine(describeError(error), 'error');
      throw error;
    }
  };
}
