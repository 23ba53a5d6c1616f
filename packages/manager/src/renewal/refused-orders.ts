/** Keeps until when CAs take no more orders, where one was refused for a limit that the configuration does not have. */
import { AcmeProblemError, isOutage, limitedBy } from '@certbus/acme';
import { KEPT_PAUSE_MS } from '@certbus/events';

/** What an order is to the limits of its CA. */
interface Ordered {
  readonly directory: string;
  /** Whether it is for names that this CA did not issue for last: limits that spare renewals count these alone. */
  readonly isNew: boolean;
}

/** What the CAs of one process have refused. */
export interface RefusedOrders {
  /** Takes why an order failed. Returns whether others at its CA wait for that. */
  refused(order: Ordered, error: unknown, now: Date): boolean;
  /** Takes that a CA has issued: what it refused before was about single orders. */
  passed(directory: string): void;
  /** From when on an order can be sent; `undefined` where it can be now. */
  readyAt(order: Ordered, now: Date): Date | undefined;
}

/** So many refusals of renewals in a row that may each be about single names are about the account. */
const IN_A_ROW = 3;
/** How long no order is sent where the CA does not say when it takes one, milliseconds. */
const PAUSE_MS = 600_000;
/** Not less than that, milliseconds: what a CA gives room for in seconds has gathered by then. */
const SHORTEST_MS = 60_000;

interface Pause {
  readonly since: Date;
  readonly until: Date;
}

/** Until when a refusal counts. One order an hour shows whether the CA takes more by then, whatever it has asked for. */
function pauseAfter({ notBefore }: AcmeProblemError, now: Date): Pause {
  const ms = notBefore ? notBefore.getTime() - now.getTime() : PAUSE_MS;
  return { since: now, until: new Date(now.getTime() + Math.min(Math.max(ms, SHORTEST_MS), KEPT_PAUSE_MS)) };
}

/** Begins without any refusal. */
export function createRefusedOrders(): RefusedOrders {
  /** Of all orders at a CA, and of new names alone. */
  const pauses = { all: new Map<string, Pause>(), new: new Map<string, Pause>() };
  const inARow = new Map<string, number>();

  /** Whether a refusal says something of other orders of its kind. */
  function isOfOthers({ directory, isNew }: Ordered, error: AcmeProblemError): boolean {
    const by = limitedBy(error);
    if (by !== 'unknown') return by === 'account';
    if (isNew) return true;
    const count = (inARow.get(directory) ?? 0) + 1;
    inARow.set(directory, count);
    return count >= IN_A_ROW;
  }

  return {
    refused(order, error, now) {
      if (!(error instanceof AcmeProblemError) || error.class !== 'rate-limited' || isOutage(error)) return false;
      if (!isOfOthers(order, error)) return false;
      // A CA that refuses a renewal spares none.
      pauses[order.isNew ? 'new' : 'all'].set(order.directory, pauseAfter(error, now));
      return true;
    },
    passed: (directory) => void inARow.delete(directory),
    readyAt({ directory, isNew }, now) {
      const found = [pauses.all.get(directory), ...(isNew ? [pauses.new.get(directory)] : [])];
      // One that begins later was made before the clock was put back.
      const lasting = found.flatMap((each) => (each && each.since <= now && each.until > now ? [each.until] : []));
      return lasting.toSorted((one, other) => other.getTime() - one.getTime())[0];
    },
  };
}
