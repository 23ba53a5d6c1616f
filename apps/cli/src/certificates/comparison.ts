/** Compares what a server serves for a name with what the bus says it should. */
import { candidatesOf, type ManagedCertificate } from '@certbus/events';

/**
 * `same`: it serves the current certificate. `older`: one that was replaced. `other`: one that the bus does not have, though it has a current
 * one for this name. `not-issued`: the certificate for this name was never issued. `unmanaged`: the bus has none for this name.
 */
export type Verdict = 'same' | 'older' | 'other' | 'not-issued' | 'unmanaged';

/** The managed certificates that cover a server name in its one form: by the exact name, else by a wildcard. */
export function coveringCertificates(all: Iterable<ManagedCertificate>, serverName: string): ManagedCertificate[] {
  const candidates = candidatesOf(serverName);
  const found = [...all].filter(({ names }) => candidates.some((name) => names.includes(name)));
  const exact = found.filter(({ names }) => names.includes(serverName));
  return exact.length > 0 ? exact : found;
}

/** What a served leaf is to the certificates for its name, by its SHA-256 in base64url. */
export function compare(certificates: readonly ManagedCertificate[], leafHash: string): Verdict {
  if (certificates.length === 0) return 'unmanaged';
  if (certificates.some(({ current }) => current?.leafHash === leafHash)) return 'same';
  if (certificates.some(({ predecessors }) => predecessors.some((each) => each.leafHash === leafHash))) return 'older';
  return certificates.some(({ current }) => current) ? 'other' : 'not-issued';
}
