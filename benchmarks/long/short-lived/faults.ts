/** What goes wrong in a long run, and when: drawn from a seed, so that it comes again. */
import { seededRandom } from '../random.ts';

/** Everything that can go wrong. */
export const FAULT_KINDS = [
  'CA outage',
  'CA drops connections',
  'DNS error',
  'store outage',
  'store error',
  'kill',
  'clock step',
] as const;

/** What goes wrong. */
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Something that goes wrong for a while. */
export interface FaultSpan {
  readonly kind: FaultKind;
  /** Milliseconds from the beginning. */
  readonly from: number;
  readonly to: number;
  /** From 0 to 1: how bad it is. */
  readonly draw: number;
}

/** How often a fault comes, and how long it lasts. */
interface Habit {
  readonly everyDays: number;
  readonly hours: readonly [least: number, most: number];
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A client asks a CA that drops connections again and again, and waits in real time in between; so that is short and seldom. */
const HABITS: Readonly<Record<FaultKind, Habit>> = {
  'CA outage': { everyDays: 8, hours: [2, 20] },
  'CA drops connections': { everyDays: 15, hours: [0.1, 0.3] },
  'DNS error': { everyDays: 2.5, hours: [6, 30] },
  'store outage': { everyDays: 4, hours: [1, 8] },
  'store error': { everyDays: 2.5, hours: [2, 12] },
  kill: { everyDays: 2.5, hours: [0, 0] },
  'clock step': { everyDays: 3, hours: [3, 16] },
};

/** Draws what goes wrong in so many days; the first of each kind within its own interval. */
export function drawFaults({ days, seed }: { readonly days: number; readonly seed: number }): FaultSpan[] {
  const random = seededRandom(seed);
  const between = (least: number, most: number) => least + random() * (most - least);
  const spans = FAULT_KINDS.flatMap((kind) => {
    const { everyDays, hours } = HABITS[kind];
    return Array.from({ length: Math.floor(days / everyDays) }, (_, index): FaultSpan => {
      const from = (index + between(0.1, 0.9)) * everyDays * DAY_MS;
      return { kind, from, to: from + between(...hours) * HOUR_MS, draw: random() };
    });
  });
  return spans.toSorted((one, other) => one.from - other.from);
}
