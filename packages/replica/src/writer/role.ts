/** What each role keeps of a bus: a manager everything, a client what it serves. */
import type { CertificateEvent, ManagedCertificate } from '@certbus/events';

/** Whom a replica is for. */
export type ReplicaRole = 'client' | 'manager';

/** Events that change what is served of a certificate. */
const SERVED: ReadonlySet<CertificateEvent['type']> = new Set([
  'CertificateObtained',
  'CertificateImported',
  'PrivateKeyResealed',
  'CertificateRevoked',
  'CertificateRemoved',
]);

/** Whether a role keeps what an event makes of its certificate. Claims, orders and failures are a manager's business. */
export const isKept = ({ type }: CertificateEvent, role: ReplicaRole): boolean =>
  role === 'manager' || SERVED.has(type);

/** The part of a certificate that a role keeps. */
export function keptPart(certificate: ManagedCertificate, role: ReplicaRole): ManagedCertificate {
  if (role === 'manager') return certificate;
  const forManagers = { issuance: undefined, failure: undefined, renewalInfo: undefined, lost: undefined };
  return { ...certificate, ...forManagers, retired: undefined, removedAt: undefined };
}

/** Whether there is a part of a certificate that a role keeps: a client begins with the first one that is issued. */
export const hasPart = ({ current, removed }: ManagedCertificate, role: ReplicaRole): boolean =>
  role === 'manager' || removed || current !== undefined;
