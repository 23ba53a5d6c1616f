/** The certificates that a managed certificate is served with. */
import type { ManagedCertificate } from '@certbus/events';
import type { ManagerState } from '@certbus/manager';

/** DER of a certificate and its issuers, leaf first; empty before it is issued. */
export function chainOf(
  state: Pick<ManagerState, 'issuer'>,
  { current }: Pick<ManagedCertificate, 'current'>,
): readonly Uint8Array[] {
  if (!current) return [];
  const issuers = current.issuers.map((hash) => state.issuer(hash)).filter((der) => der !== undefined);
  return [Buffer.from(current.leaf, 'base64'), ...issuers];
}
