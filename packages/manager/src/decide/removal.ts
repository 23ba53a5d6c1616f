/** Decides the end of a certificate's management. */
import type { Decision } from '@certbus/store';
import { certificateNotFound } from '../errors.ts';
import type { ManagerState } from '../state/state.ts';

/** Ends the management of a certificate. Throws `CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND`. */
export function remove(state: ManagerState, certificateId: string): Decision<{ names: readonly string[] }> {
  const certificate = state.certificate(certificateId);
  if (!certificate || certificate.removed) throw certificateNotFound(certificateId);
  return { events: [{ type: 'CertificateRemoved', certificateId }], result: { names: certificate.names } };
}
