/** Doubts DNS where it shows many names lost at once: a resolver or a delegation that fails is likelier than that they all left. */

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
  /** When the first of them was found lost. */
  readonly since: Date;
  /** What the last look that found one lost has shown, for people. */
  readonly detail: string;
}

/** What looks of one process found of certificates that were not set aside before. */
export interface LossGuard {
  /** Takes what a look found; `detail` is what shows that names are lost, `undefined` where all are ours. */
  note(certificateId: string, detail: string | undefined, now: Date): void;
  /** What speaks against DNS now; `undefined` where nothing does. */
  doubt(now: Date): Doubt | undefined;
  /** Whether there were looks within that time, and the last one found names that are ours. */
  trusts(now: Date): boolean;
}

interface Looked {
  readonly at: number;
  readonly detail: string | undefined;
}

/** Knows of no look yet. */
export function createLossGuard(): LossGuard {
  /** In the order in which they were looked at. */
  const looks = new Map<string, Looked>();
  let lost = 0;
  function drop(certificateId: string): void {
    if (looks.get(certificateId)?.detail !== undefined) lost -= 1;
    looks.delete(certificateId);
  }
  function dropOld(now: Date): void {
    for (const [certificateId, { at }] of looks) {
      if (at > now.getTime() - DOUBTED_WITHIN_MS) return;
      drop(certificateId);
    }
  }
  let lastFoundOurs = false;
  return {
    note(certificateId, detail, now) {
      dropOld(now);
      drop(certificateId);
      looks.set(certificateId, { at: now.getTime(), detail });
      if (detail !== undefined) lost += 1;
      lastFoundOurs = detail === undefined;
    },
    doubt(now) {
      dropOld(now);
      if (lost <= DOUBTED_COUNT || lost <= looks.size * DOUBTED_SHARE) return undefined;
      const found = [...looks.values()].filter(({ detail }) => detail !== undefined);
      const [first, last] = [found[0], found.at(-1)];
      const since = new Date(first?.at ?? now.getTime());
      return { lost, looked: looks.size, since, detail: last?.detail ?? '' };
    },
    trusts(now) {
      dropOld(now);
      return looks.size > 0 && lastFoundOurs;
    },
  };
}

/** What people are told of a doubt. */
export function dnsDoubted({ lost, looked, since, detail }: Doubt): Alert {
  const what = `the names of ${lost} of the ${looked} certificates that were looked at within a day are lost, as the configured resolvers answer, one of them since ${detail}`;
  const then =
    'a resolver or a delegation fails more likely than that, so none of them is set aside, and their orders are tried';
  return { kind: 'dns-doubted', subject: 'dns', detail: `${what}: ${then}`, since };
}
