/** Which certificate is served for a server name. */
import { candidatesOf as coveringNamesOf, type IssuedCertificate, type ManagedCertificate } from '@certbus/events';
import { type KeyType, keyTypeOf } from './key-type.ts';

/** A certificate that could be shown for a server name. */
export interface Candidate {
  readonly certificateId: string;
  readonly issued: IssuedCertificate;
  /** It was renewed already, and serves where its successor's key does not open. */
  readonly isPredecessor: boolean;
}

/** Instants that decide what is valid, milliseconds since 1970. */
interface Instants {
  readonly now: number;
  /** What begins before then has begun, whatever the clock of this machine says. */
  readonly begun: number;
}

function isValidAt({ notBefore, notAfter }: IssuedCertificate, { now, begun }: Instants): boolean {
  return Date.parse(notBefore) <= Math.max(now, begun) && now < Date.parse(notAfter);
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
  /** Whether they have keys of several types: which is shown depends on the client where its abilities are known. */
  readonly hasKeyTypes: boolean;
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
 * What can be shown for a server name, best first: a key type that the client can use, valid now, not obtained by an expelled manager, exact
 * name before wildcard, key type, not yet renewed, later expiry. Where all of these are equal, the id decides, so that every server shows the
 * same one. Of two key types that a known client can use the others come before RSA, because they cost the server less. Where nothing is known
 * of the client RSA comes first, because every client can use it. So the order of two certificates never depends on which was renewed last.
 *
 * `begun`: an instant that is surely over, such as that of the newest commit; default none. With it a clock that jumps back makes no
 * predecessor the better one, so that no older certificate is shown than before.
 */
export function rank(
  certificates: readonly ManagedCertificate[],
  serverName: string,
  {
    now,
    begun,
    canUse,
  }: {
    readonly now: Date;
    readonly begun?: Date | undefined;
    readonly canUse?: ((keyType: KeyType) => boolean) | undefined;
  },
): Ranking {
  const at = now.getTime();
  const instants = { now: at, begun: begun?.getTime() ?? at };
  // One certificate has one key type; only among several does it decide anything.
  const typeOf = certificates.length > 1 ? keyTypeOf : () => 'other' as const;
  const covering = coveringNamesOf(serverName);
  // One timeline can have certificates for other names than its own, of a manager who was expelled.
  const all = certificates
    .flatMap(candidatesOf)
    .filter(({ issued: { names } }) => names.some((name) => covering.includes(name)))
    .map((candidate) => ({ candidate, keyType: typeOf(candidate.issued) }));
  const order = ({ candidate: { issued, isPredecessor }, keyType }: (typeof all)[number]): readonly number[] => [
    !canUse || canUse(keyType) ? 0 : 1,
    isValidAt(issued, instants) ? 0 : 1,
    issued.distrusted ? 1 : 0,
    issued.names.includes(serverName) ? 0 : 1,
    (keyType === 'rsa') === (canUse === undefined) ? 0 : 1,
    isPredecessor ? 1 : 0,
    -Date.parse(issued.notAfter),
  ];
  const candidates = all
    .map((it) => ({ candidate: it.candidate, keys: order(it) }))
    .sort((a, b) => {
      const differs = a.keys.findIndex((key, index) => key !== b.keys[index]);
      if (differs < 0) return a.candidate.certificateId < b.candidate.certificateId ? -1 : 1;
      return (a.keys[differs] ?? 0) - (b.keys[differs] ?? 0);
    })
    .map(({ candidate }) => candidate);
  const hasKeyTypes = new Set(all.map(({ keyType }) => keyType)).size > 1;
  return { candidates, until: nextChange(candidates, at), hasKeyTypes };
}
