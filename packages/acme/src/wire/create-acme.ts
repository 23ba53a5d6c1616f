/** Makes the handle that the functions of this package take. */
import type { Acme, AcmeOptions } from '../acme.ts';
import { createEngine } from './create-engine.ts';
import { acmeOf } from './handles.ts';

/**
 * A CA and an account there, without a request yet. Throws `CERTBUS_ACME_DIRECTORY_INVALID`,
 * `CERTBUS_ACME_ACCOUNT_KEY_INVALID` and `CERTBUS_ACME_EAB_INVALID`, and what `outgoing` throws. Close it when done.
 */
export function createAcme(options: AcmeOptions): Acme {
  return acmeOf(createEngine(options));
}
