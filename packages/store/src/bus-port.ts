/** The port to a bus: what reads its verified commits, and writes to it. */
import type { Trust } from '@certbus/events';
import type { Checkpoint, Commit, HistoryError, VerifiedCommits, WrittenEvent } from '@certbus/events/history';
import type { TrimmedError } from './errors.ts';
import type { StoredCommit } from './log.ts';

/** A page of proved commits. */
export interface VerifiedPage extends VerifiedCommits {
  /** The proved commits as they are in the store. */
  readonly stored: readonly StoredCommit[];
  /** True when nothing was known behind the last commit. */
  readonly end: boolean;
}

/** How a bus is read. */
export interface BusReadOptions {
  /** At most this many commits; default 150. */
  readonly limit?: number;
  /**
   * At most this many bytes of commits, unless the first alone has more, or what is read is refused and only what is behind it could prove it:
   * for a thread that has other things to do than to verify. Default 1,000,000.
   */
  readonly maxBytes?: number;
  /** See every append acknowledged before the read began. Default false. */
  readonly consistent?: boolean;
  /** In the same request, and so consistently, do what {@link Bus.confirm} does, and reject as it does. Default false. */
  readonly confirm?: boolean;
  /** Check every commit's own signature instead of one a segment. Default false. */
  readonly everySignature?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** A commit that this process wrote, and where the history stands behind it. */
export interface Appended {
  readonly commit: Commit;
  readonly checkpoint: Checkpoint;
}

/** A log whose commits are verified and decoded: one stream of one store. */
export interface Bus {
  readonly trust: Trust;
  readonly stream: string;
  /**
   * Reads and verifies what follows `from`, from the archive where the log has it no more. Rejects with a `StoreError`, as
   * {@link TrimmedError} where no archive has it; what is refused is returned as `refused`, also a history that does not reach the
   * floor of {@link Bus.trust}.
   */
  read(from: Checkpoint, options?: BusReadOptions): Promise<VerifiedPage>;
  /**
   * Re-reads the commit at `from` strongly and compares its hash, so that an overwritten, truncated or rolled-back log
   * shows, and the commit at the floor of {@link Bus.trust}. Rejects with a {@link HistoryError}.
   */
  confirm(from: Checkpoint, options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  /**
   * Signs the events as one commit behind `from` and appends it. Rejects with `VersionConflictError`,
   * `CERTBUS_STORE_OUTCOME_UNKNOWN`, `CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE` when this signer may not write here, and
   * `CERTBUS_EVENTS_BELOW_FLOOR`.
   */
  append(
    from: Checkpoint,
    events: readonly WrittenEvent[],
    options: { readonly at: Date; readonly signal?: AbortSignal | undefined },
  ): Promise<Appended>;
  /** A number that differs after any write by another connection; `undefined` where the store cannot tell cheaply. */
  version(): number | undefined;
  /**
   * Resolves after `withinMs`, sooner once {@link Bus.version} is not `version` any more, where the store finds that out cheaply. Rejects
   * with the signal's reason.
   */
  whenWritten(
    version: number | undefined,
    options: { readonly withinMs: number; readonly signal: AbortSignal },
  ): Promise<void>;
  close(): Promise<void>;
}
