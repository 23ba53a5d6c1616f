/** Which certificate is served for a server name. */
import { X509Certificate } from 'node:crypto';
import { candidatesOf as coveringNamesOf, type IssuedCertificate, type ManagedCertificate } from '@certbus/events';

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

/** What can be shown for a server name, and for how long that stays so. */
export interface Ranking {
  /** Best first. */
  readonly candidates: readonly Candidate[];
  /** The next instant at which one of them begins or ends, and the order may change; `undefined` where all have ended. */
  readonly until: Date | undefined;
  /** Whether RSA and other keys are among those that are valid: the best one is shown to every client. */
  readonly hasKeyTypes: boolean;
}

/** Whether every TLS client can use a leaf: some know no other keys than RSA. What does not parse counts as no. */
function isRsa({ leaf }: IssuedCertificate): boolean {
  try {
    return new X509Certificate(Buffer.from(leaf, 'base64')).publicKey.asymmetricKeyType === 'rsa';
  } catch {
    return false;
  }
}

function nextChange(candidates: readonly Candidate[], now: number): Date | undefined {
  const instants = candidates.flatMap(({ issued: { notBefore, notAfter } }) => [
    Date.parse(notBefore),
    Date.parse(notAfter),
  ]);
  const ahead = instants.filter((instant) => instant > now);
  return ahead.length > 0 ? new Date(Math.min(...ahead)) : undefined;
}

/**
 * What can be shown for a server name: valid now, not obtained by an expelled manager, exact name before wildcard, RSA before other keys, not yet renewed, later expiry.
 * RSA comes first because every client can use it, and because the order of two certificates must not depend on which was renewed last.
 * Where all of these are equal, the id decides, so that every server shows the same one.
 */
export function rank(certificates: readonly ManagedCertificate[], serverName: string, now: Date): Ranking {
  const at = now.getTime();
  // One certificate has one key type; only among several does it decide anything.
  const hasSeveral = certificates.length > 1;
  const order = ({ issued, isPredecessor }: Candidate): readonly number[] => [
    isValidAt(issued, at) ? 0 : 1,
    issued.distrusted ? 1 : 0,
    issued.names.includes(serverName) ? 0 : 1,
    hasSeveral && isRsa(issued) ? 0 : 1,
    isPredecessor ? 1 : 0,
    -Date.parse(issued.notAfter),
  ];
  const covering = coveringNamesOf(serverName);
  // One timeline can have certificates for other names than its own, of a manager who was expelled.
  const all = certificates
    .flatMap(candidatesOf)
    .filter(({ issued: { names } }) => names.some((name) => covering.includes(name)));
  const candidates = all
    .map((candidate) => ({ candidate, keys: order(candidate) }))
    .sort((a, b) => {
      const differs = a.keys.findIndex((key, index) => key !== b.keys[index]);
      if (differs < 0) return a.candidate.certificateId < b.candidate.certificateId ? -1 : 1;
      return (a.keys[differs] ?? 0) - (b.keys[differs] ?? 0);
    })
    .map(({ candidate }) => candidate);
  const valid = hasSeveral ? all.filter(({ issued }) => isValidAt(issued, at)) : [];
  const hasKeyTypes = new Set(valid.map(({ issued }) => isRsa(issued))).size > 1;
  return { candidates, until: nextChange(all, at), hasKeyTypes };
}
