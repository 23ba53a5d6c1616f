/** Reads what can be read of a damaged replica, so that one bad page does not keep a server from showing everything else. */
import { BEGINNING, type BusState, type Checkpoint, EMPTY_BUS } from '@certbus/events/history';
import type { ReplicaReader } from '../reader.ts';
import { isDamage } from './digest.ts';

/** What was read last of the one row that everything needs. */
export interface LastRead {
  checkpoint: Checkpoint;
  bus: BusState;
  isComplete: boolean;
}

/** Nothing was read yet. Where the row does not read at all, what else there is is served. */
export const nothingRead = (): LastRead => ({ checkpoint: BEGINNING, bus: EMPTY_BUS, isComplete: true });

/**
 * Answers as `reader` does; where its file is damaged, with what was read before or with nothing, and reports that to `onDamage`. What is behind
 * a damaged page of an index is missing until the file is replaced; nothing else is ever answered in its place.
 */
export function createTolerantReader(
  reader: ReplicaReader,
  { last, onDamage }: { readonly last: LastRead; readonly onDamage: (error: unknown) => void },
): ReplicaReader {
  function attempt<T>(read: () => T, otherwise: () => T): T {
    try {
      return read();
    } catch (error) {
      if (!isDamage(error)) throw error;
      onDamage(error);
      return otherwise();
    }
  }
  const none = (): never[] => [];
  function* each<T>(read: () => Iterable<T>): Iterable<T> {
    try {
      yield* read();
    } catch (error) {
      if (!isDamage(error)) throw error;
      onDamage(error);
    }
  }
  return {
    checkpoint() {
      last.checkpoint = attempt(reader.checkpoint, () => last.checkpoint);
      return last.checkpoint;
    },
    bus() {
      last.bus = attempt(reader.bus, () => last.bus);
      return last.bus;
    },
    isComplete() {
      last.isComplete = attempt(reader.isComplete, () => last.isComplete);
      return last.isComplete;
    },
    isSettled: () => attempt(reader.isSettled, () => false),
    countLost: () => attempt(reader.countLost, () => undefined),
    certificate: (certificateId) =>
      attempt(
        () => reader.certificate(certificateId),
        () => undefined,
      ),
    lookup: (serverName) => attempt(() => reader.lookup(serverName), none),
    isNamed: (name) =>
      attempt(
        () => reader.isNamed(name),
        () => false,
      ),
    isShared: (name) =>
      attempt(
        () => reader.isShared(name),
        () => false,
      ),
    sharedNames: (after, limit) =>
      attempt(
        () => reader.sharedNames(after, limit),
        () => ({ names: [], last: undefined }),
      ),
    certificates: () => each(reader.certificates),
    listed: () => each(reader.listed),
    retired: (at) => each(() => reader.retired(at)),
    lostSince: (after) => each(() => reader.lostSince(after)),
    idsByNameSet: (key) => attempt(() => reader.idsByNameSet(key), none),
    due: (at) => each(() => reader.due(at)),
    upcoming: (after) => each(() => reader.upcoming(after)),
    paused: (range) => each(() => reader.paused(range)),
    leavesAfter: (position, limit) => attempt(() => reader.leavesAfter(position, limit), none),
    leavesUpTo: (position, limit) => attempt(() => reader.leavesUpTo(position, limit), none),
    countDue: (at) =>
      attempt(
        () => reader.countDue(at),
        () => 0,
      ),
    countUrgent: (at) =>
      attempt(
        () => reader.countUrgent(at),
        () => 0,
      ),
    countFailing: () => attempt(reader.countFailing, () => new Map()),
    failing: (failureClass, limit) => attempt(() => reader.failing(failureClass, limit), none),
    urgent: (at, limit) => attempt(() => reader.urgent(at, limit), none),
    firstEnd: (directory) =>
      attempt(
        () => reader.firstEnd(directory),
        () => undefined,
      ),
    countServed: () => attempt(reader.countServed, () => 0),
    countEnding: (at) =>
      attempt(
        () => reader.countEnding(at),
        () => 0,
      ),
    nextEnd: (at) =>
      attempt(
        () => reader.nextEnd(at),
        () => undefined,
      ),
    issuer: (hash) =>
      attempt(
        () => reader.issuer(hash),
        () => undefined,
      ),
    changedSince: (position, limit) => attempt(() => reader.changedSince(position, limit), none),
    rootEvents: () => attempt(reader.rootEvents, none),
    spending: (key, stretch) =>
      attempt(
        () => reader.spending(key, stretch),
        () => ({ held: 0, spent: [] }),
      ),
    countDuties: (selection) => attempt(() => reader.countDuties(selection), none),
    selected: (selection, page) =>
      attempt(
        () => reader.selected(selection, page),
        () => ({ certificateIds: [], last: undefined }),
      ),
    nextReady: (selection, after) =>
      attempt(
        () => reader.nextReady(selection, after),
        () => undefined,
      ),
    records: () => each(reader.records),
  };
}
