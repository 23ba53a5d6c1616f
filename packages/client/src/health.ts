/** How a load balancer stands, and the notes that the report is made of. */
import { cleanLine } from '@certbus/events';
import type { ReplicaReader } from '@certbus/replica';

/** How a load balancer stands. */
export interface Health {
  /** Position that this server serves: two servers at one position serve the same. */
  readonly position: number;
  /**
   * Whether it has caught up with the bus since it started, here or in the process that follows for it. False while the replica cannot
   * be written: then nothing new is taken, and `trouble` says why.
   */
  readonly live: boolean;
  /** Whether this process follows the bus; else it reads what another process of this machine writes. */
  readonly following: boolean;
  /** When the bus last answered this process. */
  readonly lastContactAt: Date | undefined;
  /** When the newest commit was signed. */
  readonly newestCommitAt: Date | undefined;
  readonly certificates: { readonly served: number; readonly expired: number; readonly endingWithin7Days: number };
  /** How long this server can go on without the bus: until the next certificate ends, milliseconds. */
  readonly offlineBudgetMs: number | undefined;
  /**
   * TLS clients' names without a certificate, most recent last, 100 at most, each cut at 255 characters and without what could steer a
   * terminal.
   */
  readonly missingNames: readonly string[];
  /** Ids of certificates whose current key does not open here, as far as a client asked for them. */
  readonly unopenedKeys: readonly string[];
  /** What stands between this server and the bus; `undefined` when nothing does. */
  readonly trouble: { readonly code: string | undefined; readonly message: string } | undefined;
}

/** What the client has noted beside its replica. */
export interface Notes {
  live: boolean;
  /** How often the bus or its archive has answered. */
  answers: number;
  following: boolean;
  lastContactAt: Date | undefined;
  trouble: Error | undefined;
  /** The latest last; a scanner's names do not pile up. */
  readonly missingNames: Set<string>;
}

const MAX_MISSING = 100;
/** Longest name in DNS. */
const MAX_NAME = 255;

/** Nothing is noted yet. */
export function createNotes(): Notes {
  return {
    live: false,
    answers: 0,
    following: false,
    lastContactAt: undefined,
    trouble: undefined,
    missingNames: new Set(),
  };
}

/** Notes a name that no certificate covers. */
export function noteMissing({ missingNames }: Notes, typed: string): void {
  const serverName = cleanLine(typed.slice(0, MAX_NAME));
  missingNames.delete(serverName);
  missingNames.add(serverName);
  if (missingNames.size > MAX_MISSING) missingNames.delete([...missingNames][0] ?? '');
}

const WEEK_MS = 7 * 86_400_000;

/** Makes the report. */
export function report(replica: ReplicaReader, notes: Notes & Pick<Health, 'unopenedKeys'>, now: Date): Health {
  const { trouble, unopenedKeys } = notes;
  const { newestAt } = replica.bus();
  const expired = replica.countEnding(now);
  const end = replica.nextEnd(now);
  const code = trouble && 'code' in trouble ? String(trouble.code) : undefined;
  return {
    position: replica.checkpoint().position,
    live: notes.live,
    following: notes.following,
    lastContactAt: notes.lastContactAt,
    newestCommitAt: newestAt ? new Date(newestAt) : undefined,
    certificates: {
      served: replica.countServed(),
      expired,
      endingWithin7Days: replica.countEnding(new Date(now.getTime() + WEEK_MS)) - expired,
    },
    offlineBudgetMs: end && end.getTime() - now.getTime(),
    missingNames: [...notes.missingNames],
    unopenedKeys,
    trouble: trouble && { code, message: trouble.message },
  };
}
