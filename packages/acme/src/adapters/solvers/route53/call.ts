import { InvalidChangeBatch, Route53ServiceException } from '@aws-sdk/client-route-53';
import { AcmeError } from '../../../errors.ts';

/** How calls wait between tries. */
export type Sleep = (ms: number, options: { readonly signal: AbortSignal }) => Promise<void>;

const MAX_TRIES = 10;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 20_000;

const BUSY = /^(Throttl|PriorRequestNotComplete$|TooManyRequests|RequestThrottled|RequestLimitExceeded)/;
const LOST = /^(ECONNRESET|ECONNREFUSED|EPIPE|ETIMEDOUT|EAI_AGAIN|TimeoutError)$/;
const CREDENTIALS =
  /Credential|InvalidClientTokenId|UnrecognizedClient|SignatureDoesNotMatch|ExpiredToken|InvalidSignature|MissingAuthenticationToken|InvalidAccessKeyId/;

/** Wait before try number `tries` + 1: doubling to 20 s, anywhere between half and whole, so that managers do not march in step. */
export function backOffMs(tries: number): number {
  return Math.min(FIRST_WAIT_MS * 2 ** (tries - 1), LONGEST_WAIT_MS) * (0.5 + Math.random() / 2);
}

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
  return BUSY.test(error.name) || LOST.test(error.name) || LOST.test(code);
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
  const what = cause instanceof Error ? cause.message : String(cause);
  return new AcmeError('CERTBUS_ACME_SOLVER_FAILED', `${attempt}: ${what} (${name}). ${adviceFor(name)}`, { cause });
}

/**
 * Makes one API call, again with growing waits while Route 53 is throttling, busy with the zone, or away. Rejects with
 * {@link BatchRefused}, or as {@link explain} says.
 */
export async function call<T>(
  attempt: string,
  send: (options: { readonly abortSignal: AbortSignal }) => Promise<T>,
  { signal, sleep }: { readonly signal: AbortSignal; readonly sleep: Sleep },
): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await send({ abortSignal: signal });
    } catch (error) {
      signal.throwIfAborted();
      const refusal = refusalIn(error);
      if (refusal !== undefined) throw new BatchRefused(refusal, { cause: error });
      if (!isTransient(error) || tries === MAX_TRIES) throw explain(attempt, error);
    }
    await sleep(backOffMs(tries), { signal });
  }
}
