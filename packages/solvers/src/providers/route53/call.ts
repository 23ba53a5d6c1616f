/** One call to Route 53, within its budget, and repeated where that helps. */
import { InvalidChangeBatch, type Route53Client, Route53ServiceException } from '@aws-sdk/client-route-53';
import { AcmeError } from '@certbus/acme';
import { isWorthAgain } from '../../aws-again.ts';
import { describeExpiredLogin } from '../../aws-login.ts';
import type { Budget } from './budget.ts';
import type { Sleep } from './waiting.ts';

/** What every call takes. */
export interface Caller {
  readonly client: Route53Client;
  readonly budget: Budget;
  readonly sleep: Sleep;
  /** A number from 0 up to 1, so that managers do not march in step. */
  random(): number;
}

/** One call, in words for people, and what it costs besides the request. */
export interface CallOptions {
  readonly attempt: string;
  readonly signal: AbortSignal;
  /** How many changes of record sets it carries. Default 0. */
  readonly changes?: number;
}

const MAX_TRIES = 12;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 20_000;

const THROTTLED = /^(Throttl|TooManyRequests|RequestThrottled|RequestLimitExceeded)/;
const BUSY = /^PriorRequestNotComplete$/;
const LOST = /^(ERR_PROXY_UNREACHABLE|ECONNRESET|ECONNREFUSED|EPIPE|ETIMEDOUT|EAI_AGAIN|TimeoutError)$/;
const CREDENTIALS =
  /Credential|InvalidClientTokenId|UnrecognizedClient|SignatureDoesNotMatch|ExpiredToken|InvalidSignature|MissingAuthenticationToken|InvalidAccessKeyId/;

/** Route 53 refused a whole batch, because a record set is not as the batch says, or for what it asks. */
export class BatchRefused extends Error {
  override readonly name = 'BatchRefused';
}

/** Reasons for which a batch was refused; `undefined` for any other error. */
function refusalIn(error: unknown): string | undefined {
  if (error instanceof InvalidChangeBatch) return [error.message, ...(error.messages ?? [])].join(' ');
  // Route 53 used to answer with a bare InvalidChangeBatch document, whose type this SDK does not make out.
  return error instanceof Error && 'Messages' in error ? JSON.stringify(error.Messages) : undefined;
}

function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof Route53ServiceException && (error.$metadata.httpStatusCode ?? 0) >= 500) return true;
  const code = 'code' in error ? String(error.code) : '';
  return THROTTLED.test(error.name) || BUSY.test(error.name) || LOST.test(error.name) || LOST.test(code);
}

function adviceFor(name: string): string {
  if (CREDENTIALS.test(name)) {
    return 'Check the AWS credentials of the manager (environment, profile or role) and the clock.';
  }
  if (/AccessDenied|NotAuthorized/.test(name)) {
    return 'The credentials need route53:ListHostedZones, ListResourceRecordSets, ChangeResourceRecordSets and GetChange.';
  }
  return 'Try again later.';
}

/** An AWS failure in words for people. */
export function explain(attempt: string, cause: unknown): AcmeError {
  const name = cause instanceof Error ? cause.name : 'unknown';
  if (name === 'NoSuchHostedZone') {
    const message = `${attempt}: Route 53 has no hosted zone with this id. Correct "zoneId".`;
    return new AcmeError('CERTBUS_ACME_ZONE_NOT_FOUND', message, { cause });
  }
  const login = describeExpiredLogin(cause);
  if (login) return new AcmeError('CERTBUS_ACME_SOLVER_FAILED', `${attempt}: ${login}.`, { cause });
  const what = cause instanceof Error ? cause.message : String(cause);
  return new AcmeError('CERTBUS_ACME_SOLVER_FAILED', `${attempt}: ${what} (${name}). ${adviceFor(name)}`, { cause });
}

/**
 * Makes one API call within the budget, again with growing waits while Route 53 is throttling, busy with the zone, or away, and once with credentials that were
 * renewed. Rejects with
 * {@link BatchRefused}, or as {@link explain} says.
 */
export async function call<T>(
  { client, budget, sleep, random }: Caller,
  { attempt, signal, changes = 0 }: CallOptions,
  send: (client: Route53Client, options: { readonly abortSignal: AbortSignal }) => Promise<T>,
): Promise<T> {
  let isAgain = false;
  for (let tries = 1; ; tries += 1) {
    await budget.spend(changes, { signal });
    try {
      const answer = await send(client, { abortSignal: signal });
      budget.recover();
      return answer;
    } catch (error) {
      signal.throwIfAborted();
      const refusal = refusalIn(error);
      if (refusal !== undefined) throw new BatchRefused(refusal, { cause: error });
      if (!isAgain && (await isWorthAgain(client, error))) {
        isAgain = true;
        continue;
      }
      if (!isTransient(error) || tries === MAX_TRIES) throw explain(attempt, error);
      if (error instanceof Error && THROTTLED.test(error.name)) budget.slowDown();
    }
    // Anywhere between half and whole of a wait that doubles.
    await sleep(Math.min(FIRST_WAIT_MS * 2 ** (tries - 1), LONGEST_WAIT_MS) * (0.5 + random() / 2), { signal });
  }
}
