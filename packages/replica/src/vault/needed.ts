/** Which keys of a certificate are still needed. */
import type { ManagedCertificate } from '@certbus/events';

/** Hashes of the leaves that can be served: the current one, and those before it that are kept for as long as its key has not opened. */
export function neededLeaves(certificate: ManagedCertificate | undefined): readonly string[] {
  if (!certificate || certificate.removed) return [];
  return [certificate.current, ...certificate.predecessors].flatMap((issued) => (issued ? [issued.leafHash] : []));
}
