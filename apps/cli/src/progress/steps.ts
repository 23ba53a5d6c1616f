/** Keeps at which step each issuance is, what it waits for and since when, in words. */
import type { Progress } from '@certbus/manager';

/** One issuance that is under way. */
export interface Tracked {
  readonly certificateId: string;
  readonly names: readonly string[];
  readonly startedAt: Date;
  /** Where it is. */
  readonly step: string;
  /** What the last look found, where it waits for something. */
  readonly lastLook: string | undefined;
  /** When it is given up, or goes on by itself. */
  readonly until: Date | undefined;
}

/** How an issuance ended. */
export type Ending = 'done' | 'failed';

/** What is waited for, and for how long at most, in words. */
export function describeWaiting({ why, until }: { readonly why: string; readonly until: Date }): string {
  return `still waiting: ${why}; until ${until.toISOString()} at most`;
}

/** A length of time as people read it: `8 s`, `2 min 05 s`, `1 h 02 min`. */
export function describeElapsed(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3600)];
  const two = (count: number) => String(count).padStart(2, '0');
  if (minutes === 0) return `${seconds} s`;
  return hours === 0 ? `${minutes} min ${two(seconds % 60)} s` : `${hours} h ${two(minutes % 60)} min`;
}

/**
 * A step in words; `undefined` for one that changes nothing to see, such as a warning, which is in the log, or an end, whose reason the
 * command reports.
 */
function describeStep({ step, holder, until, takeOverAt, orderUrl, challengeType }: Progress): string | undefined {
  switch (step) {
    case 'waiting':
      return `${holder} claims it until ${until?.toISOString()}; taken over at ${takeOverAt?.toISOString()}, or at once with --take-over`;
    case 'claimed':
      return 'claimed';
    case 'taken-over':
      return 'continues an issuance that was interrupted';
    case 'order':
      return `the CA has the order ${orderUrl}`;
    case 'answered':
      return `waits until its answers can be seen (${challengeType})`;
    case 'issued':
      return 'the CA issued the certificate';
    case 'recorded':
      return 'the certificate is on the bus';
    case 'pending':
    case 'warning':
    case 'ended':
      return undefined;
  }
}

/** Follows issuances by their steps. */
export interface Tracker {
  /** Takes a step. Returns the issuance where there is something new to see, else `undefined`. */
  take(progress: Progress): Tracked | undefined;
  /** Forgets an issuance that has ended. */
  end(certificateId: string): void;
}

/** Follows issuances; the clock says how long each of them takes. */
export function createTracker(now: () => Date): Tracker {
  const all = new Map<string, Tracked>();
  return {
    take(progress) {
      const { certificateId, names, step, message, until, takeOverAt } = progress;
      const known = all.get(certificateId);
      const startedAt = known?.startedAt ?? now();
      const text = describeStep(progress) ?? (step === 'pending' ? (known?.step ?? 'waits') : undefined);
      if (text === undefined) return undefined;
      const lastLook = step === 'pending' ? message : undefined;
      const shown: Tracked = { certificateId, names, startedAt, step: text, lastLook, until: takeOverAt ?? until };
      all.set(certificateId, shown);
      return known?.step === text && known.lastLook === lastLook ? undefined : shown;
    },
    end: (certificateId) => void all.delete(certificateId),
  };
}

/** An issuance as one line, for logs and pipes. */
export function lineOf({ names, step, lastLook, until, startedAt }: Tracked, now: Date): string {
  const what = lastLook && until ? describeWaiting({ why: lastLook, until }) : step;
  return `${names.join(', ')}: ${what} (${describeElapsed(now.getTime() - startedAt.getTime())})`;
}

/** An issuance as the rows of a display that is drawn again and again: its step, and what it waits for. */
export function rowsOf({ names, step, lastLook, until, startedAt }: Tracked, now: Date): string[] {
  const first = `${names.join(', ')}: ${step} (${describeElapsed(now.getTime() - startedAt.getTime())})`;
  if (lastLook === undefined || until === undefined) return [first];
  const left = describeElapsed(until.getTime() - now.getTime());
  return [first, `last look: ${lastLook}`, `given up at ${until.toISOString().slice(11, 19)} UTC, in ${left}`];
}
