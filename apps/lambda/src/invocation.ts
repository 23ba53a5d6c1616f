/** What a function knows of its process and of an invocation. */
import { join } from 'node:path';
import type { Variables } from '@certbus/runtime';
import { plainSecrets, RuntimeError, type WriteLine } from '@certbus/runtime/local';
import { LambdaError } from './errors.ts';

/** What Lambda says of an invocation, as far as it is used here. */
export interface InvocationContext {
  readonly functionName?: string;
  readonly awsRequestId?: string;
  getRemainingTimeInMillis?(): number;
}

/** What the function takes from its process. */
export interface HandlerOptions {
  /** Default: the process's. */
  readonly variables?: Variables;
  /** Takes lines of the log. Default: standard output. */
  readonly write?: (line: string) => void;
  readonly now?: () => Date;
}

/** Writes a line to standard output itself: what `console` prints, the log format JSON of Lambda wraps. */
export const writeToOutput = (line: string): void => void process.stdout.write(`${line}\n`);

/** So long before the end of the invocation nothing new is begun, and what is under way is released. */
const RELEASE_MS = 30_000;
/** What an invocation has where its context does not say: a quarter of an hour, as in the template. */
const INVOCATION_MS = 900_000;

/**
 * The end of the run: 30 s before that of the invocation, or half of its time where that is shorter than a minute. Never before `now`, also where the
 * time of the invocation is over.
 */
export function deadlineOf(context: InvocationContext, now: Date): Date {
  const said = context.getRemainingTimeInMillis?.();
  const leftMs = Number.isFinite(said) ? Math.max(Number(said), 0) : INVOCATION_MS;
  return new Date(now.getTime() + Math.max(leftMs - RELEASE_MS, leftMs / 2));
}

/** An invocation that has less than this for the bus has it by its own timeout, and not by the size of the bus. */
const SHORT_MS = 60_000;

/** What a function says whose bus takes longer to be read than an invocation has for it, milliseconds. */
export function notRead(leftMs: number): LambdaError {
  const what = `The bus was not read in the ${Number((leftMs / 1_000).toFixed(1))} s that this invocation had for it.`;
  const advice =
    leftMs < SHORT_MS
      ? 'Give the function more time: in the template its timeout is 900 s.'
      : 'Put a snapshot into the archive of the stack: CERTBUS_ARCHIVE=ADDRESS certbus bus snapshot, where ADDRESS is its output ArchiveAddress.';
  return new LambdaError('CERTBUS_LAMBDA_BUS_NOT_READ', `${what} ${advice}`);
}

/** A signal that fires after so many milliseconds, with an error that says what was not done by then. It is disposed of once that is done. */
export function endAfter(leftMs: number, describe: () => LambdaError): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(describe()), leftMs);
  return { signal: controller.signal, [Symbol.dispose]: () => clearTimeout(timer) };
}

/** A function has one folder that it can write, which a cold start finds empty, and its lines are JSON whatever is in them. */
export function functionVariables(variables: Variables): Variables {
  const temporary = variables['TMPDIR'] || '/tmp';
  const CERTBUS_STATE_DIR = variables['CERTBUS_STATE_DIR'] || join(temporary, 'certbus');
  return { ...variables, CERTBUS_STATE_DIR, CERTBUS_LOG_FORMAT: 'text' };
}

/**
 * Throws `CERTBUS_CLI_SECRET_REFERENCE_INVALID` for a key that is in a variable itself, which consoles, templates and logs of deployments show, and warns
 * of other secrets that are. None is quoted.
 */
export function checkVariables(variables: Variables, writeLine: WriteLine): void {
  const { keys, others } = plainSecrets(variables);
  const why = 'and anyone who can look at the function can read it. Set it to ssm:/PATH or secretsmanager:NAME';
  if (keys.length > 0) {
    const message = `${keys.join(', ')} of this function is not a reference to a key, ${why}. If it is a key, replace that.`;
    throw new RuntimeError('CERTBUS_CLI_SECRET_REFERENCE_INVALID', message);
  }
  for (const each of others)
    writeLine(`${each} of this function is a secret and not a reference to one, ${why}.`, 'warn');
}
