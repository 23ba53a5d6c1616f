/** The function: one run of the manager for each invocation. */
import { createId, EventsError } from '@certbus/events';
import type { Manager } from '@certbus/manager';
import { type Environment, type ManagerSettings, readEnvironment, readManagerKey, withManager } from '@certbus/runtime';
import type { WriteLine } from '@certbus/runtime/local';
import {
  checkVariables,
  deadlineOf,
  endAfter,
  functionVariables,
  type HandlerOptions,
  type InvocationContext,
  notRead,
  writeToOutput,
} from './invocation.ts';
import { describeError, logLine, problemsOf, RunFailedError, type Summary, summaryOf } from './summary.ts';

/** Runs for one event, whatever is in it. */
export type Handler = (event: unknown, context?: InvocationContext) => Promise<Summary>;

/** Throws where the key is not one of this bus: where nothing is due, nothing would be signed, and nobody would notice. */
async function checkInForce({ checkpoint }: Manager, environment: Environment): Promise<void> {
  const { signer } = await readManagerKey(environment);
  if (checkpoint.managers.some(({ signingKey }) => signingKey === signer.publicKey)) return;
  const what = `The manager key of this function is not that of a manager of ${environment.config.bus}. Is it the key of another bus, or was this manager removed?`;
  throw new EventsError('CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE', what);
}

/**
 * How an invocation claims. Environments of Lambda start from copies of one machine, in which host, boot and process ids can be the same: whether
 * the holder of another claim has ended is not known here, and a claim that was left behind lapses.
 */
const claimsOf = (functionName: string, { awsRequestId = 'unknown' }: InvocationContext): ManagerSettings => ({
  // An event that is delivered again has the same request.
  holder: `function ${functionName}, request ${awsRequestId} (${createId()})`,
  hasEnded: () => false,
});

/**
 * Makes the function. Keys and secrets are read at its first invocation, and again after one that failed. It answers what the run did, or rejects
 * with a {@link RunFailedError}, which has the same counts, or with what kept the run from its end.
 */
export function createHandler({
  variables = process.env,
  write = writeToOutput,
  now = () => new Date(),
}: HandlerOptions = {}): Handler {
  let environment: Environment | undefined;
  let cold = true;
  const writeLine: WriteLine = (message, level) => write(JSON.stringify({ level: level.toUpperCase(), message }));
  const run = async (context: InvocationContext, functionName: string) => {
    if (!environment) checkVariables(variables, writeLine);
    environment ??= readEnvironment({ variables: functionVariables(variables), writeLine });
    const known = environment;
    const at = now();
    const deadline = deadlineOf(context, at);
    const leftMs = deadline.getTime() - at.getTime();
    using beginning = endAfter(leftMs, () => notRead(leftMs));
    const runOnce = async (manager: Manager) => {
      await checkInForce(manager, known);
      return manager.runOnce({ deadline });
    };
    return await withManager(known, runOnce, {
      ...claimsOf(functionName, context),
      signal: beginning.signal,
      isLasting: true,
    });
  };
  return async (_event, context = {}) => {
    const begun = now();
    const wasCold = cold;
    cold = false;
    const { functionName = variables['AWS_LAMBDA_FUNCTION_NAME'] ?? 'certbus' } = context;
    try {
      const result = await run(context, functionName);
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
