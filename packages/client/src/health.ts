/** How a load balancer stands, and the notes that the report is made of. */
import { cleanLine } from '@certbus/events';
import { type Replica, ReplicaError } from '@certbus/replica';

/** How a load balancer stands. To make it costs the same for a million certificates as for ten. */
export interface Health {
  /**
   * Whether this server can answer clients, for a readiness probe: it has read its bus at least once, its replica can be read, and not
   * every certificate has ended. True on a bus without certificates, whose challenges are answered; a bus that is away leaves it true.
   */
  readonly ready: boolean;
  /** Position that this server serves: two servers at one position serve the same. The counts may be those of the next commit already. */
  readonly position: number;
  /**
   * Whether it has caught up with the bus since it started, here or in the process that follows for it. False while the replica's folder
   * cannot be entered, and while the process that follows is silent: then nothing new is taken, and `trouble` says why.
   */
  readonly live: boolean;
  /** Whether this process follows the bus; else it reads what another process of this machine writes. */
  readonly following: boolean;
  /** When the bus last answered this machine, here or in the process that follows for it. */
  readonly lastContactAt: Date | undefined;
  /** How long ago this machine last had everything that was on the bus, milliseconds; `undefined` where it never had. */
  readonly lagMs: number | undefined;
  /** When the newest commit was signed. */
  readonly newestCommitAt: Date | undefined;
  readonly certificates: { readonly served: number; readonly expired: number; readonly endingWithin7Days: number };
  /** How long this server can go on without the bus: until the next certificate ends, milliseconds. */
  readonly offlineBudgetMs: number | undefined;
  /** How many handshakes since the start were for a name without a certificate. */
  readonly missingNameCount: number;
  /**
   * TLS clients' names without a certificate, most recent last, 100 at most, each cut at 255 characters and without what could steer a
   * terminal.
   */
  readonly missingNames: readonly string[];
  /** How many certificates have a current key that does not open here, as far as a client asked for them. */
  readonly unopenedKeyCount: number;
  /** Ids of these certificates, 100 at most. */
  readonly unopenedKeys: readonly string[];
  /** How often something of the replica did not read, or was found damaged in the background, since the start. */
  readonly damageCount: number;
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
  /** When the replica last had all that was on the bus. */
  caughtUpAt: Date | undefined;
  trouble: Error | undefined;
  missingNameCount: number;
  /** The latest last; a scanner's names do not pile up. */
  readonly missingNames: Set<string>;
  /** Position up to which all changes were taken by what serves: for some milliseconds the replica itself may be ahead. */
  reached: number;
}

const MAX_MISSING = 100;
/** Longest name in DNS. */
const MAX_NAME = 255;

/** Notes of a start: what an earlier process of this machine noted of the bus is still true. */
export function createNotes(
  earlier: Partial<Pick<Notes, 'lastContactAt' | 'caughtUpAt'>> = {},
  { reached = 0 }: Partial<Pick<Notes, 'reached'>> = {},
): Notes {
  return {
    live: false,
    answers: 0,
    following: false,
    lastContactAt: earlier.lastContactAt,
    caughtUpAt: earlier.caughtUpAt,
    trouble: undefined,
    missingNameCount: 0,
    missingNames: new Set(),
    reached,
  };
}

/** Notes a name that no certificate covers; returns it as it can be shown. */
export function noteMissing(notes: Notes, typed: string): string {
  const serverName = cleanLine(typed.slice(0, MAX_NAME));
  const { missingNames } = notes;
  notes.missingNameCount += 1;
  missingNames.delete(serverName);
  missingNames.add(serverName);
  const [oldest] = missingNames;
  if (missingNames.size > MAX_MISSING && oldest !== undefined) missingNames.delete(oldest);
  return serverName;
}

/** An error as it is reported. */
export const troubleOf = (error: Error): NonNullable<Health['trouble']> => ({
  code: 'code' in error && error.code !== undefined ? String(error.code) : undefined,
  message: error.message,
});

/** Certificates whose current key does not open here. */
export interface Unopened {
  readonly count: number;
  /** The first of them. */
  readonly certificateIds: readonly string[];
}

/** What the report takes from the replica. */
interface Standing extends Pick<Health, 'position' | 'newestCommitAt' | 'certificates' | 'offlineBudgetMs'> {
  /** Whether it has reached the head of its bus once: before that nothing is served from it. */
  readonly isComplete: boolean;
}

const NOTHING: Standing = {
  isComplete: false,
  position: 0,
  newestCommitAt: undefined,
  certificates: { served: 0, expired: 0, endingWithin7Days: 0 },
  offlineBudgetMs: undefined,
};

const WEEK_MS = 7 * 86_400_000;

/** Makes what reads a replica for the report; what stays the same between two changes is read once. */
function createStandingReader(replica: Replica): (now: Date) => Standing {
  let version: number | undefined;
  let unchanged: Pick<Standing, 'position' | 'newestCommitAt' | 'isComplete'> & { served: number } = {
    ...NOTHING,
    served: 0,
  };
  return (now) => {
    const current = replica.version();
    // One picture of the file: what counts certificates must not see a commit that what reads the position did not.
    return replica.snapshot((reader) => {
      if (current !== version) {
        const { newestAt } = reader.bus();
        const newestCommitAt = newestAt ? new Date(newestAt) : undefined;
        const { position } = reader.checkpoint();
        // Where the row of the bus itself was lost, what was read of it before counts until it was read again.
        const isLost = position === 0 && reader.countLost() !== undefined;
        unchanged = {
          position: isLost ? unchanged.position : position,
          newestCommitAt: isLost ? unchanged.newestCommitAt : newestCommitAt,
          served: reader.countServed(),
          isComplete: reader.isComplete(),
        };
        version = current;
      }
      const { position, newestCommitAt, served, isComplete } = unchanged;
      // Nothing is served before a first replay is complete, and there are no indexes to count by.
      if (!isComplete) return { ...NOTHING, position, newestCommitAt };
      const expired = reader.countEnding(now);
      const endingWithin7Days = reader.countEnding(new Date(now.getTime() + WEEK_MS)) - expired;
      const end = reader.nextEnd(now);
      return {
        isComplete,
        position,
        newestCommitAt,
        certificates: { served, expired, endingWithin7Days },
        offlineBudgetMs: end && end.getTime() - now.getTime(),
      };
    });
  };
}

function unreadable(cause: unknown): Error {
  if (cause instanceof ReplicaError) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ReplicaError('CERTBUS_REPLICA_FAILED', `The replica cannot be read: ${why}. Look at the disk.`, { cause });
}

const lost = (): Error =>
  new ReplicaError(
    'CERTBUS_REPLICA_DAMAGED',
    'The replica was lost as a whole, and is read from the bus again. Look at the disk.',
  );

/**
 * Makes the report, which never throws: of a replica that is closed or damaged it says what was last read, that this server is not ready,
 * and why.
 */
export function createReporter({
  replica,
  notes,
  now,
  unopened,
}: {
  readonly replica: Replica;
  readonly notes: Notes;
  readonly now: () => Date;
  readonly unopened: () => Unopened;
}): () => Health {
  const read = createStandingReader(replica);
  let standing = NOTHING;

  function look(at: Date): Error | undefined {
    try {
      const next = read(at);
      if (standing.isComplete && !next.isComplete) return lost();
      standing = next;
      return undefined;
    } catch (error) {
      return unreadable(error);
    }
  }

  return () => {
    const at = now();
    const unread = look(at);
    const trouble = unread ?? notes.trouble;
    const { isComplete, ...shown } = standing;
    const { served, expired } = shown.certificates;
    const hasBegun = notes.live || isComplete;
    const { count, certificateIds } = unopened();
    return {
      ready: !unread && hasBegun && (served === 0 || expired < served),
      ...shown,
      position: Math.min(shown.position, notes.reached),
      live: !unread && notes.live,
      following: !unread && notes.following,
      lastContactAt: notes.lastContactAt,
      lagMs: notes.caughtUpAt && Math.max(0, at.getTime() - notes.caughtUpAt.getTime()),
      missingNameCount: notes.missingNameCount,
      missingNames: [...notes.missingNames],
      unopenedKeyCount: count,
      unopenedKeys: certificateIds,
      damageCount: replica.damage.found,
      trouble: trouble && troubleOf(trouble),
    };
  };
}
