/** What a follower would serve in every minute, by a replica of its own. */
import type { IssuedCertificate } from '@certbus/events';
import { openReplica, synchronize } from '@certbus/replica';
import type { Bus } from '@certbus/store';

const MINUTE_MS = 60_000;
const ALL = Number.MAX_SAFE_INTEGER;

/** A time in which nothing valid was there for a name. */
export interface Gap {
  readonly name: string;
  readonly from: Date;
  readonly minutes: number;
}

/** A follower of the bus that counts the minutes of each name. */
export interface ServedWatch extends AsyncDisposable {
  /** Names that it has a certificate for. */
  readonly names: number;
  /** Minutes that were looked at, of all names together. */
  readonly minutes: number;
  /** Times without a valid certificate; the minutes of one that goes on are one each time that the clock was moved. */
  readonly gaps: readonly Gap[];
  /** Has time pass up to an instant, in which nothing new comes: every minute of it is looked at. */
  pass(to: Date): void;
  /** Takes what is new on the bus. */
  look(): Promise<void>;
}

/** When what is served of one name begins and ends, milliseconds since 1970. */
interface Validity {
  readonly name: string;
  readonly spans: readonly { readonly begins: number; readonly ends: number }[];
}

const spanOf = ({ notBefore, notAfter }: IssuedCertificate) => ({
  begins: Date.parse(notBefore),
  ends: Date.parse(notAfter),
});

/** Minutes in which none of the certificates is valid. */
function minutesWithout({ spans }: Validity, from: number, to: number): number {
  if (spans.some(({ begins, ends }) => begins <= from && to < ends)) return 0;
  let without = 0;
  for (let at = from; at <= to; at += MINUTE_MS)
    if (!spans.some(({ begins, ends }) => begins <= at && at < ends)) without += 1;
  return without;
}

/** Follows a bus as a load balancer does, into memory, by a clock that is right. */
export async function watchServed(bus: Bus, { began }: { readonly began: Date }): Promise<ServedWatch> {
  const replica = await openReplica({ path: ':memory:', busId: bus.trust.busId, role: 'client' });
  /** By certificate. */
  const served = new Map<string, Validity>();
  const gaps: Gap[] = [];
  let lookedUntil = began.getTime();
  let [position, minutes] = [0, 0];

  function take(certificateId: string, name: string): void {
    const { current, predecessors = [] } = replica.certificate(certificateId) ?? {};
    // A client serves a predecessor as well, where the current one has not begun.
    if (current) served.set(certificateId, { name, spans: [current, ...predecessors].map(spanOf) });
  }

  return {
    get names() {
      return served.size;
    },
    get minutes() {
      return minutes;
    },
    gaps,
    async look() {
      await synchronize(replica, bus);
      for (const { certificateId, names, isServed, position: at } of replica.changedSince(position, ALL)) {
        position = at;
        if (isServed) take(certificateId, names[0] ?? '');
      }
    },
    pass(to) {
      const [from, until] = [lookedUntil, to.getTime()];
      lookedUntil = until;
      for (const each of served.values()) {
        minutes += (until - from) / MINUTE_MS;
        const without = minutesWithout(each, from, until);
        if (without > 0) gaps.push({ name: each.name, from: new Date(from), minutes: without });
      }
    },
    [Symbol.asyncDispose]: () => replica.close(),
  };
}
