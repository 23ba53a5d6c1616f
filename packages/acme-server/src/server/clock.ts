/** The server's clock, which a test can advance. */

const DAY_MS = 86_400_000;

/** The time that a server lives in: another clock, plus what a test has let pass. */
export interface Clock {
  now(): Date;
  /** Lets time pass at once, milliseconds. */
  advance(ms: number): void;
  /** Lets days of 24 hours pass at once. */
  advanceDays(days: number): void;
}

/** A clock on top of another one, which is the system's by default and may stand still. */
export function createClock(base: () => Date = () => new Date()): Clock {
  let aheadMs = 0;
  function advance(ms: number): void {
    if (!(ms >= 0)) throw new TypeError('Time passes in one direction');
    aheadMs += ms;
  }
  return {
    now: () => new Date(base().getTime() + aheadMs),
    advance,
    advanceDays: (days) => advance(days * DAY_MS),
  };
}

/** An instant as ACME writes it (RFC 3339). */
export function timestamp(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}
