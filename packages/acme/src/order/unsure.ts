import { AcmeError } from '../errors.ts';
import { AcmeProblemError } from '../wire/problem.ts';

/** Whether a request may have had its effect although this error came back, or failed only by the CA's own trouble. */
export function mayHaveArrived(error: unknown): boolean {
  if (error instanceof AcmeProblemError) return error.class === 'authority';
  return error instanceof AcmeError && error.code === 'CERTBUS_ACME_UNREACHABLE';
}
