/** Doubts DNS where it shows many names lost at once: a resolver or a delegation that fails is likelier than that they all left. */

import type { ManagedCertificate } from '@certbus/events';
import type { NotedAlert } from '@certbus/events/history';
import type { Alert } from './alert.ts';

/** So many certificates can lose their names within {@link DOUBTED_WITHIN_MS} before DNS is doubted, and */
export const DOUBTED_COUNT = 20;
/** this share of all that were looked at. */
const DOUBTED_SHARE = 0.1;
/** How long a look counts, milliseconds: as long as certificates that come due by the day need to be told from those that went at once. */
export const DOUBTED_WITHIN_MS = 86_400_000;

/** How many certificates lost their names, of those that were looked at. */
interface Doubt {
  readonly lost: number;
  readonly looked: number;
  /** When the last of them was found lost. */
  readonly since: Date;
  /** What that look has shown, for people. */
  readonly detail: string;
}

/** What looks of one process found of certificates that were not set aside before, and what was found before it began. */
export interface LossGuard {
  /** Takes what a look found; `detail` is what shows that names are lost, `undefined` where all are ours. */
  note(certificateId: string, detail: string | undefined, now: Date): void;
  /** Whether anything speaks against DNS now. */
  isDoubted(now: Date): boolean;
  /** What speaks against DNS now, which takes as long as there were looks; `undefined` where nothing does. */
  doubt(now: Date): Doubt | undefined;
  /** Whether there were looks within that time, and the last one found names that are ours. */
  trusts(now: Date): boolean;
}

interface Looked {
  readonly at: number;
  readonly detail: string | undefined;
}

/**
 * Begins at its first look with what the bus says: a function in the cloud, or a run from cron, makes a guard of its own each time. `lostSince`: certificates whose
 * names were first found lost after an instant, and are lost still; default none.
 */
export function createLossGuard(
  lostSince: (after: Date) => Iterable<Pick<ManagedCertificate, 'certificateId' | 'lost'>> = () => [],
): LossGuard {
  /** In the order in which they were looked at. */
  const looks = new Map<string, Looked>();
  let lost = 0;
  function drop(certificateId: string): void {
    if (looks.get(certificateId)?.detail !== undefined) lost -= 1;
    looks.delete(certificateId);
  }
  function dropOld(now: Date): void {
    for (const [certificateId, { at }] of looks) {
      // What is further ahead was noted before the clock was put back.
      if (Math.abs(now.getTime() - at) < DOUBTED_WITHIN_MS) return;
      drop(certificateId);
    }
  }
  function readBus(now: Date): void {
    const found = [...lostSince(new Date(now.getTime() - DOUBTED_WITHIN_MS))].flatMap(
      ({ certificateId, lost: loss }) =>
        loss ? [{ certificateId, at: Date.parse(loss.since), detail: loss.detail }] : [],
    );
    for (const { certificateId, ...look } of found.toSorted((one, other) => one.at - other.at))
      looks.set(certificateId, look);
    lost = looks.size;
  }
  const isDoubted = () => lost > DOUBTED_COUNT && lost > looks.size * DOUBTED_SHARE;
  let hasBegun = false;
  let lastFoundOurs = false;
  return {
    note(certificateId, detail, now) {
      if (!hasBegun) readBus(now);
      hasBegun = true;
      dropOld(now);
      drop(certificateId);
      looks.set(certificateId, { at: now.getTime(), detail });
      if (detail !== undefined) lost += 1;
      lastFoundOurs = detail === undefined;
    },
    isDoubted(now) {
      dropOld(now);
      return isDoubted();
    },
    doubt(now) {
      dropOld(now);
      if (!isDoubted()) return undefined;
      const last = [...looks.values()].findLast(({ detail }) => detail !== undefined);
      return { lost, looked: looks.size, since: new Date(last?.at ?? now.getTime()), detail: last?.detail ?? '' };
    },
    trusts(now) {
      dropOld(now);
      return looks.size > 0 && lastFoundOurs;
    },
  };
}

/** What people are told of a doubt. */
function dnsDoubted({ lost, looked, since, detail }: Doubt): Alert {
  const what = `in the last 24 hours the configured resolvers reported the names of ${lost} of ${looked} certificates as lost; the last one: ${detail}`;
  const then =
    'Probably a resolver answers wrongly or a delegation is broken, so no more certificates are set aside and their orders are sent to the CA. Check the resolvers in the configuration and the delegation of these domains';
  return { kind: 'dns-doubted', subject: 'dns', detail: `${what}. ${then}`, since };
}

/** What a manager knows of the alert. */
interface DoubtNoted {
  /** What the bus has noted of it. */
  readonly noted: NotedAlert | undefined;
  /** Whether this manager raised it. */
  readonly isOwn: boolean;
  readonly now: Date;
}

/**
 * What people are to be told: that DNS is doubted, or, by an empty list, that it is not. `undefined` for nothing. What another manager raised is left
 * to it, since its resolvers can fail still; after a day it is taken for gone, and raises the alert again where it is not.
 */
export function doubtsToTell(
  guard: Pick<LossGuard, 'doubt' | 'trusts'>,
  { noted, isOwn, now }: DoubtNoted,
): readonly Alert[] | undefined {
  const doubt = guard.doubt(now);
  if (doubt) return [dnsDoubted(doubt)];
  if (!guard.trusts(now)) return undefined;
  const isRaised = noted !== undefined && noted.until === undefined;
  const isOthers = isRaised && !isOwn && now.getTime() - Date.parse(noted.since) < DOUBTED_WITHIN_MS;
  return isOthers ? undefined : [];
}
