/** Which certificate is served for a server name. */
import type { IssuedCertificate, ManagedCertificate } from '@certbus/events';

/** A certificate that could be shown for a server name. */
export interface Candidate {
  readonly certificateId: string;
  readonly issued: IssuedCertificate;
  /** It was renewed already, and serves where its successor's key does not open. */
  readonly isPredecessor: boolean;
}

function isValidAt({ notBefore, notAfter }: IssuedCertificate, now: number): boolean {
  return Date.parse(notBefore) <= now && now < Date.parse(notAfter);
}

function candidatesOf({ certificateId, current, predecessors }: ManagedCertificate): Candidate[] {
  const older = predecessors.map((issued) => ({ certificateId, issued, isPredecessor: true }));
  return current ? [{ certificateId, issued: current, isPredecessor: false }, ...older] : [];
}

/**
 * What can be shown for a server name, best first: valid now, not yet renewed, exact name before wildcard, later expiry. Where
 * all of these are equal, the id decides, so that every server shows the same one.
 */
export function rank(certificates: readonly ManagedCertificate[], serverName: string, now: Date): Candidate[] {
  const at = now.getTime();
  const order = ({ issued, isPredecessor }: Candidate): readonly number[] => [
    isValidAt(issued, at) ? 0 : 1,
    isPredecessor ? 1 : 0,
    issued.names.includes(serverName) ? 0 : 1,
    -Date.parse(issued.notAfter),
  ];
  return certificates
    .flatMap(candidatesOf)
    .map((candidate) => ({ candidate, keys: order(candidate) }))
    .sort((a, b) => {
      const differs = a.keys.findIndex((key, index) => key !== b.keys[index]);
      if (differs < 0) return a.candidate.certificateId < b.candidate.certificateId ? -1 : 1;
      return (a.keys[differs] ?? 0) - (b.keys[differs] ?? 0);
    })
    .map(({ candidate }) => candidate);
}
