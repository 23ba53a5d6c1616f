/** What was spent of the limits of CAs, in a state and in the layers on top of it. */
import type { LedgerEntry } from '@certbus/events/history';
import type { SpendingStretch } from '@certbus/replica';

/** What was spent of one limit. */
export interface Spending {
  /** How far the replica goes that it was read from: what a layer has of later commits comes on top. */
  readonly position: number;
  /** What open issuances hold. */
  readonly held: number;
  /** In order of time. */
  readonly spent: readonly Spent[];
}

/** What was spent at an instant, milliseconds since 1970. */
export interface Spent {
  readonly at: number;
  readonly count: number;
  /** Of a limit that renewals share: whether it was for new names. */
  readonly isNew?: boolean | undefined;
}

export const NOTHING_SPENT: Spending = { position: 0, held: 0, spent: [] };

/** What the events of a layer count. */
export interface SpendingLayer {
  add(entries: readonly LedgerEntry[], position: number): void;
  /** What was spent below, and here behind it. */
  on(below: Spending, key: string, stretch: SpendingStretch): Spending;
}

/** Makes a layer on which nothing was spent. */
export function createSpendingLayer(): SpendingLayer {
  const entries = new Map<string, (LedgerEntry & { readonly position: number })[]>();
  return {
    add(added, position) {
      for (const entry of added) {
        const known = entries.get(entry.key);
        if (known) known.push({ ...entry, position });
        else entries.set(entry.key, [{ ...entry, position }]);
      }
    },
    on(below, key, { since, until }) {
      // What the replica has taken meanwhile is in what was read from it.
      const here = (entries.get(key) ?? []).filter(({ position }) => position > below.position);
      if (here.length === 0) return below;
      const spent = [...below.spent];
      let { held } = below;
      for (const { at, count } of here) {
        if (at === undefined) held += count;
        else if (at >= since.getTime() && at <= until.getTime()) spent.push({ at, count });
      }
      return { ...below, held, spent: spent.sort((one, other) => one.at - other.at) };
    },
  };
}
