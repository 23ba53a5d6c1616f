/** Decides what is recorded of a revocation. */
import type { Decision } from '@certbus/store';
import type { ManagerState } from '../state/state.ts';

/** What was revoked, and why (RFC 5280 section 5.3.1). */
export interface Revoked {
  readonly certificateId: string;
  readonly leafHash: string;
  readonly reason: number;
}

/** Records that a CA revoked a leaf, where the bus still counts on it. */
export function recordRevocation(state: ManagerState, { certificateId, leafHash, reason }: Revoked): Decision<void> {
  const certificate = state.certificate(certificateId);
  const isCurrent = certificate?.current?.leafHash === leafHash && !certificate.revoked;
  const isPredecessor = certificate?.predecessors.some((issued) => issued.leafHash === leafHash) ?? false;
  const event = { type: 'CertificateRevoked' as const, certificateId, leafHash, reason };
  return { events: isCurrent || isPredecessor ? [event] : [], result: undefined };
}
