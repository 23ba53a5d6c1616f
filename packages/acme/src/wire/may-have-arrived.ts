/** Which failed requests may have had their effect all the same. */
import { AcmeError } from '../errors.ts';
import { AcmeProblemError } from './problem.ts';

/** Whether a request may have had its effect although this error came back, or failed only by an error of the CA itself. */
export function mayHaveArrived(error: unknown): boolean {
  if (error instanceof AcmeProblemError) return error.class === 'authority';
  return error instanceof AcmeError && error.code === 'CERTBUS_ACME_UNREACHABLE';
}
