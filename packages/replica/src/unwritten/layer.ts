/** What is not written yet, over what is: read as if it had been. */
import { candidatesOf, type ManagedCertificate } from '@certbus/events';
import { type Checkpoint, servedNames } from '@certbus/events/history';
import type { Change, ReplicaReader, SharedNames } from '../reader.ts';
import type { UnwrittenCertificate, UnwrittenChange } from './unwritten.ts';

/** Changes over a replica on the disk. */
export interface Layer extends ReplicaReader {
  take(change: UnwrittenChange): void;
}

interface Entry {
  readonly certificate: ManagedCertificate;
  readonly position: number;
  /** Position of the last change in what is served of it; 0 where that is on the disk. */
  readonly servedPosition: number;
  /** When what is on the disk of it ends, milliseconds; `undefined` where nothing of it is served there. */
  endBelow: number | undefined;
}

const endOf = (certificate: ManagedCertificate | undefined): number | undefined =>
  certificate?.current && Date.parse(certificate.current.notAfter);

const isId = (one: ManagedCertificate, other: ManagedCertificate): number =>
  one.certificateId < other.certificateId ? -1 : 1;

/** Begins with the first change. What only a manager asks for is answered as it is on the disk. */
export function createLayer(base: () => ReplicaReader, first: UnwrittenChange): Layer {
  const entries = new Map<string, Entry>();
  /** Ids by the names that they are served for. */
  const named = new Map<string, Set<string>>();
  const issuers = new Map<string, Uint8Array>();
  let { checkpoint, bus } = first;
  let positionBelow = base().checkpoint().position;

  /** Looks at the disk again where it has moved on: what is in memory is being written, and counted there. */
  function lookBelow(): void {
    const { position } = base().checkpoint();
    if (position === positionBelow) return;
    positionBelow = position;
    for (const [id, entry] of entries) entry.endBelow = endOf(base().certificate(id));
  }

  function put({ certificate, position, isServed }: UnwrittenCertificate): void {
    const { certificateId } = certificate;
    const before = entries.get(certificateId);
    for (const name of before ? servedNames(before.certificate) : []) named.get(name)?.delete(certificateId);
    for (const name of servedNames(certificate)) named.set(name, (named.get(name) ?? new Set()).add(certificateId));
    const endBelow = before ? before.endBelow : endOf(base().certificate(certificateId));
    const servedPosition = isServed ? position : (before?.servedPosition ?? 0);
    entries.set(certificateId, { certificate, position, servedPosition, endBelow });
  }

  function take(change: UnwrittenChange): void {
    ({ checkpoint, bus } = change);
    for (const changed of change.certificates) put(changed);
    for (const { hash, certificate } of change.issuers) issuers.set(hash, certificate);
  }

  const isBelow = ({ certificateId }: Pick<ManagedCertificate, 'certificateId'>): boolean =>
    !entries.has(certificateId);
  const all = (): ManagedCertificate[] => [...entries.values()].map(({ certificate }) => certificate);

  /** How many more are served, of those that `fits` by their end, than on the disk. */
  function difference(fits: (end: number) => boolean): number {
    lookBelow();
    const count = (ends: readonly (number | undefined)[]) =>
      ends.filter((end) => end !== undefined && fits(end)).length;
    const values = [...entries.values()];
    return count(values.map(({ certificate }) => endOf(certificate))) - count(values.map(({ endBelow }) => endBelow));
  }

  function nextEndBelow(at: Date): Date | undefined {
    lookBelow();
    for (let next = base().nextEnd(at); next; next = base().nextEnd(new Date(next.getTime() + 1))) {
      const instant = next.getTime();
      const ending = base().countEnding(new Date(instant + 1)) - base().countEnding(next);
      const covered = [...entries.values()].filter(({ endBelow }) => endBelow === instant).length;
      if (ending > covered) return next;
    }
    return undefined;
  }

  function* certificates(): Iterable<ManagedCertificate> {
    const own = all()
      .filter(({ removed }) => !removed)
      .sort(isId);
    for (const below of base().certificates()) {
      if (!isBelow(below)) continue;
      while (own[0] && own[0].certificateId < below.certificateId) yield own.shift() as ManagedCertificate;
      yield below;
    }
    yield* own;
  }

  function changedSince(position: number, limit: number): Change[] {
    const changed = [...entries.values()].filter((entry) => entry.position > position);
    const own = changed.map(({ certificate: { certificateId, names, removed }, position: at, servedPosition }) => ({
      ...{ certificateId, names, removed, position: at },
      isServed: servedPosition > position,
    }));
    const below = base().changedSince(position, limit).filter(isBelow);
    return [...below, ...own].sort((one, other) => one.position - other.position).slice(0, limit);
  }

  function lookup(serverName: string): ManagedCertificate[] {
    const found = base().lookup(serverName).filter(isBelow);
    const below = [...new Map(found.map((certificate) => [certificate.certificateId, certificate])).values()];
    return candidatesOf(serverName).flatMap((name) => [
      ...[...(named.get(name) ?? [])].flatMap((id) => entries.get(id)?.certificate ?? []),
      ...below.filter((certificate) => servedNames(certificate).includes(name)),
    ]);
  }

  const isShared = (name: string): boolean => new Set(lookup(name).map(({ certificateId }) => certificateId)).size > 1;

  /** Of names on the disk that only a wildcard in memory covers as well, nothing is found before it is written. */
  function sharedNames(after: string, limit: number): SharedNames {
    const { names, last } = base().sharedNames(after, limit);
    const own = [...named.keys()].filter((name) => name > after && (last === undefined || name <= last));
    return { names: [...new Set([...names, ...own])].filter(isShared).sort(), last };
  }

  take(first);
  return {
    take,
    checkpoint: (): Checkpoint => checkpoint,
    bus: () => bus,
    isComplete: () => base().isComplete(),
    isSettled: () => base().isSettled(),
    countLost: () => base().countLost(),
    certificate: (certificateId) => entries.get(certificateId)?.certificate ?? base().certificate(certificateId),
    lookup,
    isNamed: (name) => lookup(name).some((certificate) => servedNames(certificate).includes(name)),
    isShared,
    sharedNames,
    certificates,
    listed: certificates,
    retired: (at) => base().retired(at),
    lostSince: (after) => base().lostSince(after),
    idsByNameSet: (key) => base().idsByNameSet(key),
    due: (at) => base().due(at),
    upcoming: (after) => base().upcoming(after),
    paused: (range) => base().paused(range),
    leavesAfter: (position, limit) => base().leavesAfter(position, limit),
    leavesUpTo: (position, limit) => base().leavesUpTo(position, limit),
    countDue: (at) => base().countDue(at),
    countUrgent: (at) => base().countUrgent(at),
    countFailing: () => base().countFailing(),
    failing: (failureClass, limit) => base().failing(failureClass, limit),
    urgent: (at, limit) => base().urgent(at, limit),
    firstEnd: (directory) => base().firstEnd(directory),
    countServed: () => base().countServed() + difference(() => true),
    countEnding: (at) => base().countEnding(at) + difference((end) => end < at.getTime()),
    nextEnd(at) {
      const ends = all().map(endOf);
      const instants = [...ends, nextEndBelow(at)?.getTime()].filter(
        (end): end is number => end !== undefined && end >= at.getTime(),
      );
      return instants.length > 0 ? new Date(Math.min(...instants)) : undefined;
    },
    issuer: (hash) => issuers.get(hash) ?? base().issuer(hash),
    changedSince,
    rootEvents: () => base().rootEvents(),
    spending: (key, stretch) => base().spending(key, stretch),
    countDuties: (selection) => base().countDuties(selection),
    selected: (selection, page) => base().selected(selection, page),
    nextReady: (selection, after) => base().nextReady(selection, after),
    records: () => base().records(),
  };
}
