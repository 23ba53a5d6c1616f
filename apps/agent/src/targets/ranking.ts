/** Which of several certificates stands in front for a name: the one that ranks first on the bus, of those that a target holds. */

/** How certificates for one name rank. It changes with time as well: one begins, one ends, the manager of one is expelled. */
export interface Ranking {
  /** The id of the certificate that ranks first for a name, of those that pass; `undefined` where none does. */
  bestFor(name: string, isAmong: (certificateId: string) => boolean): string | undefined;
}

/** A certificate with its names. */
export interface Named {
  readonly certificateId: string;
  readonly names: readonly string[];
}

/** The wildcard that covers a name; `undefined` for a wildcard, and for a name without a dot. */
export function wildcardOf(name: string): string | undefined {
  const dot = name.indexOf('.');
  return dot > 0 && !name.startsWith('*.') ? `*${name.slice(dot)}` : undefined;
}

/**
 * The certificate that stands in front for each name of some certificates. For an exact name that can be one whose wildcard covers it. A name that the
 * ranking does not know stays with a certificate that has it: none is taken from a balancer.
 */
export function leadersOf(certificates: readonly Named[], { bestFor }: Ranking): ReadonlyMap<string, string> {
  const ids = new Set(certificates.map(({ certificateId }) => certificateId));
  const isAmong = (id: string) => ids.has(id);
  const leaders = new Map<string, string>();
  const shared = new Set<string>();
  for (const { certificateId, names } of certificates)
    for (const name of names) {
      if (leaders.has(name)) shared.add(name);
      else leaders.set(name, certificateId);
    }
  // The bus is asked only where there is a choice.
  for (const [name, id] of leaders)
    if (shared.has(name) || leaders.has(wildcardOf(name) ?? '')) leaders.set(name, bestFor(name, isAmong) ?? id);
  return leaders;
}

/** The names for which each certificate stands in front, by id. */
export function namesByLeader(leaders: Iterable<readonly [name: string, id: string]>): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const [name, id] of leaders) {
    const own = names.get(id);
    if (own) own.push(name);
    else names.set(id, [name]);
  }
  return names;
}
