/** Which errors mean that a CA as a whole is down. */
import { AcmeError } from '../errors.ts';
import { AcmeProblemError } from './problem.ts';

/** What a reverse proxy answers for a CA that is away, and a CA for itself. A 500 can be about one request alone. */
const DOWN = new Set([502, 503, 504]);

/**
 * Whether the CA as a whole is down, so that any other request would fare alike: it cannot be reached
 * (`CERTBUS_ACME_UNREACHABLE`), it has just been found down (`CERTBUS_ACME_BREAKER_OPEN`), or it answers 502, 503 or 504. An
 * answer that blames one request, one account or a limit is not an outage.
 */
export function isOutage(error: unknown): boolean {
  if (error instanceof AcmeProblemError) return DOWN.has(error.problem.status);
  if (!(error instanceof AcmeError)) return false;
  return error.code === 'CERTBUS_ACME_UNREACHABLE' || error.code === 'CERTBUS_ACME_BREAKER_OPEN';
}
