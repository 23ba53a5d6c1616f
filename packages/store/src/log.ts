/** The port to a durable log: what an adapter implements. */

/** The largest commit that a log takes, in bytes: DynamoDB's items end at 400 KB. */
export const MAX_COMMIT_BYTES = 300_000;

/**
 * The most bytes of commits that a page has, unless its first commit alone has more. A reader holds a page in memory, and anyone may
 * have written what is in it.
 */
export const MAX_PAGE_BYTES = 1_000_000;

/** One commit as it is in a log. */
export interface StoredCommit {
  /** 1, 2, 3 … without gaps. */
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** What one read returned. */
export interface Page {
  /**
   * In order of position; the first one's position is `after + 1`, unless an eventually consistent read missed it. MUST NOT have over
   * {@link MAX_PAGE_BYTES} in all, unless it is one commit.
   */
  readonly commits: readonly StoredCommit[];
  /**
   * True when nothing was known behind the last commit; false when the next read may have more at once. A page that is
   * not the end MUST hold a commit.
   */
  readonly end: boolean;
}

export interface AppendOptions {
  readonly signal?: AbortSignal;
}

export interface ReadOptions {
  /** At most this many commits; default 150. */
  readonly limit?: number;
  /** True: the read MUST see every append that was acknowledged before it began. Default false. */
  readonly consistent?: boolean;
  readonly signal?: AbortSignal;
}

export interface ReplaceOptions {
  /** What is at the position now; `undefined` for nothing. */
  readonly found: Uint8Array | undefined;
  /** What to put there; `undefined` for nothing. */
  readonly bytes: Uint8Array | undefined;
  readonly signal?: AbortSignal;
}

/** What is in a stream: something at a position, or a stray, which no append ever writes. */
export type LogEntry =
  | {
      readonly position: number;
      /** `undefined` where what is there is not a commit, or was trimmed. */
      readonly bytes: Uint8Array | undefined;
    }
  | {
      /** The store's own name of it. */
      readonly stray: string;
    };

/**
 * What an operator, with credentials of their own, does to a log whose past is damaged or is in an archive. No manager
 * and no follower ever calls it.
 */
export interface LogMaintenance {
  /**
   * Removes every commit before position `first`, which MUST be in the log. From then on a read of what was removed MUST
   * reject with {@link TrimmedError}, and an append there MUST be a conflict, permanently. An interrupted trim MUST be
   * completed by another one.
   */
  trim(stream: string, first: number, options?: { readonly signal?: AbortSignal }): Promise<void>;
  /**
   * Puts other bytes, or nothing, in the place of exactly what was found at a position. MUST reject with
   * {@link VersionConflictError} when something else is there. What is not a commit counts as nothing. Repeating it is harmless.
   */
  replace(stream: string, position: number, options: ReplaceOptions): Promise<void>;
  /** The first position that was not trimmed, as the store has it; 1 for a whole stream. */
  first(stream: string, options?: { readonly signal?: AbortSignal }): Promise<number>;
  /**
   * Makes the store record that a stream begins at `first`, where it has anything else or what no trim wrote, and returns whether it
   * did. The commits stay as they are, and a later trim MUST remove all that it is asked to. With `dryRun` it only looks.
   */
  correctFirst(
    stream: string,
    first: number,
    options?: { readonly dryRun?: boolean; readonly signal?: AbortSignal },
  ): Promise<boolean>;
  /**
   * Everything behind a position as it is in the store, holes left out, in order, page by page, read strongly, none with over
   * {@link MAX_PAGE_BYTES} unless it is one entry; from 0 on the strays
   * of the stream as well, wherever they are. MUST NOT reject because of what it finds: anyone who can write to a store may have put
   * anything into it.
   */
  inspect(
    stream: string,
    after: number,
    options?: { readonly signal?: AbortSignal },
  ): AsyncIterable<readonly LogEntry[]>;
  /** Takes a stray away. Absent where a store has none. */
  removeStray?(stream: string, stray: string, options?: { readonly signal?: AbortSignal }): Promise<void>;
}

/**
 * The port to a durable log: bytes in, bytes out. It knows nothing of events, signatures or certificates.
 *
 * An adapter MUST pass the suite in `@certbus/store/conformance`.
 */
export interface Log {
  /**
   * Writes `bytes` at position `after + 1` of `stream` and returns that position once they are durable.
   *
   * - MUST reject with {@link VersionConflictError} when other bytes are at that position or when `after` is beyond the
   *   head of the stream; `after` 0 starts the stream.
   * - MUST succeed when exactly these bytes are there already: an earlier attempt, whose answer was lost, wrote them.
   * - While an outcome is unknown (time-out, dropped connection), or the store takes nothing for now (throttling), MUST retry
   *   the same bytes at the same position, and MUST NOT move on. An abort meanwhile, or giving up after minutes, rejects
   *   `CERTBUS_STORE_OUTCOME_UNKNOWN`, unless it is known that nothing was written, as before anything was sent: then an abort
   *   rejects with the signal's reason, and giving up with why nothing is taken.
   * - MUST reject bytes over {@link MAX_COMMIT_BYTES} with `CERTBUS_STORE_TOO_LARGE` before sending them, and an `after`
   *   that is not a whole number from 0 on with a `TypeError`.
   */
  append(stream: string, after: number, bytes: Uint8Array, options?: AppendOptions): Promise<number>;
  /**
   * Reads what comes behind position `after` (0 for all), in order. A page MUST NOT hold a commit twice, nor anything that no append
   * wrote, such as a commit over {@link MAX_COMMIT_BYTES}: where such a thing is next, MUST reject with `CERTBUS_STORE_DAMAGED`. MUST reject with
   * {@link TrimmedError} when the commit behind `after` was trimmed, and an `after` or a `limit` that is not one with a
   * `TypeError`.
   */
  read(stream: string, after: number, options?: ReadOptions): Promise<Page>;
  /**
   * A number that differs after any write by another connection. MUST NOT throw: the next read shows what is wrong.
   * Adapters that cannot find it out cheaply leave it out.
   */
  version?(): number;
  /**
   * Resolves once {@link Log.version} is not `version` any more, or a read may fail because the store is away or another one; at the
   * latest after `withinMs`. SHOULD do so within milliseconds of the write, and SHOULD cost nothing while nobody writes. Rejects with the
   * signal's reason. Adapters without it are read once an interval.
   */
  whenWritten?(version: number, options: { readonly withinMs: number; readonly signal: AbortSignal }): Promise<void>;
  /** Absent where an adapter cannot; such a log is never trimmed and cannot be repaired in place. */
  readonly maintenance?: LogMaintenance;
  /** Closes connections and files. Later calls reject `CERTBUS_STORE_CLOSED`. A second close does nothing. */
  close(): Promise<void>;
}
