/** The port to what is fed: a balancer, or a folder of files. */
import type { Pair } from '../pairs/pair.ts';
import type { Ranking } from './ranking.ts';

/** What a target holds now. */
export interface Held {
  /** SHA-256 of the leaf's DER, base64url, by certificate id; read from the target itself, not from what was written there once. */
  readonly leafHashes: ReadonlyMap<string, string>;
  /**
   * Ids of those that it holds in another form than is wanted by now, such as files with another mode: they are put again where they can be opened, and
   * stay as they are where not. Default none.
   */
  readonly outdated?: ReadonlySet<string>;
  /** The id of the certificate for clients that name no server or one that nobody knows. */
  readonly defaultId: string | undefined;
  /**
   * False where a change is in place and not in effect yet: a test or command that is still to be run, a balancer that is still to be told, a name
   * that leads to another certificate than the one that ranks first by now.
   */
  readonly isInEffect: boolean;
  /**
   * Whether it is another one by now, as after a restart with another configuration, so that it can take what it refused before. Default false.
   */
  readonly isOther?: boolean;
}

/** A certificate that a target is to hold. */
export interface Wanted {
  readonly certificateId: string;
  /** As A-labels; addresses in their one form. */
  readonly names: readonly string[];
  /** Its checked pair, opened now: a target that is given thousands holds a few at one time. Rejects where it is not to be handed over. */
  open(): Promise<Pair>;
}

/** What a target is to do, and what it holds once it is done. */
export interface Change extends Ranking {
  /** Certificates that it does not hold, or holds another leaf of. */
  readonly put: readonly Wanted[];
  /** Ids of certificates that it holds and is not to hold any more. */
  readonly remove: readonly string[];
  /** The id of the certificate for clients that name no server or one that nobody knows; `undefined` for none. */
  readonly defaultId: string | undefined;
  /** All that it is to hold, by id. */
  readonly wanted: ReadonlyMap<string, Wanted>;
}

/** The leaf of a pair, without its key: what is kept of thousands. */
export type Leaf = Pick<Pair, 'certificateId' | 'names' | 'leafHash'>;

/** What became of a change: which certificates the target did not take, and why; it goes on with what it held of them. Those not named are in place. */
export interface Applied {
  readonly refused: ReadonlyMap<string, Error>;
}

/** How often a command that brings changes into effect was run, since the start. */
export interface Reloads {
  readonly succeeded: number;
  readonly failed: number;
}

/** Who is told what {@link Target.watch} sees. */
export interface Watcher {
  /** What the target holds may be gone, as after its restart; reported at each look until it was read again. */
  onLost(): void;
  /** It answers again, or as another process: what failed before can go well now. Reported once. */
  onBack(): void;
}

/**
 * Something that is fed with certificates. Every call can be made again after a kill at any point of the one before: what is asked for is
 * the whole state, and what is left half done is found by {@link Target.held}.
 */
export interface Target {
  /** As the configuration names it. */
  readonly name: string;
  /**
   * Reads all that it holds: at the start, from time to time, and after a failure. Between two calls it is taken to hold what it was given.
   * Rejects `CERTBUS_AGENT_TARGET_FAILED` where it cannot be asked.
   */
  held(expected: Pick<Change, 'wanted' | 'bestFor'>, signal: AbortSignal): Promise<Held>;
  /** Changes what it holds and brings it into effect. Rejects where nothing can be changed at all. */
  apply(change: Change, signal: AbortSignal): Promise<Applied>;
  /**
   * What it really serves: SHA-256 of the leaf's DER, base64url, by certificate id; no entry where it serves none. Asked after each change, for what
   * was put.
   */
  served(leaves: readonly Leaf[], signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
  /** Of a target whose changes a command brings into effect. */
  reloads?(): Reloads;
  /** What {@link Target.apply} would need and does not find here: permissions, programs, a socket. Changes nothing. */
  problems(signal: AbortSignal): Promise<readonly string[]>;
  /** Looks, until the signal, whether the target was restarted or came back; only where that can be seen at little cost. */
  watch?(watcher: Watcher, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
