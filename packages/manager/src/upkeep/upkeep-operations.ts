/** What a manager does for the bus itself: its archive, and changes of its keys. */
import type { ArchivePlace, Log, TakenSnapshot } from '@certbus/store';
import { type Context, refresh } from '../context.ts';
import { ManagerError } from '../errors.ts';
import { archiveRanges, takeSnapshot, trim, type UpkeepOptions } from './archive.ts';
import { type CompletedExpulsion, completeExpulsion } from './expulsion/completion.ts';
import { type AppendedChange, appendChange } from './key-changes/append.ts';
import { type AppendedKeys, type AppendKeysOptions, appendResealedKeys } from './key-changes/append-resealed.ts';
import { type RootState, readRootState } from './key-changes/keys-in-force.ts';
import type { RootReply } from './key-changes/request.ts';
import type { ResealedKey } from './key-changes/resealed-keys.ts';

type Options = Omit<UpkeepOptions, 'place'>;

/** A manager's operations on archive, store and keys. */
export interface UpkeepOperations {
  /** Archives every complete range of commits; returns how many commits those were. Rejects `CERTBUS_MANAGER_ARCHIVE_MISSING`. */
  archive(options?: Options): Promise<{ commits: number }>;
  /** Removes from the store what is in the archive, but for the newest `keep` commits (default 10,000). Rejects as {@link UpkeepOperations.archive}. */
  trim(options: Options & { readonly log: Log; readonly keep?: number }): Promise<{ first: number }>;
  /** Puts a snapshot of the state into the archive, for newcomers. Rejects as {@link UpkeepOperations.archive}. */
  snapshot(options?: Options): Promise<TakenSnapshot>;
  /**
   * Does what the expulsion of a manager needs besides its event: account keys, configuration; and lists what is left to do by hand. It can be
   * run until it resolves. Rejects as {@link completeExpulsion}.
   */
  completeExpulsion(options: { readonly signal: AbortSignal }): Promise<CompletedExpulsion>;
  /** What the root has decided up to the head of the bus. */
  rootState(options?: { readonly signal?: AbortSignal | undefined }): Promise<RootState>;
  /** Appends a change of keys that the root signed. Rejects as {@link appendChange}. */
  appendChange(reply: RootReply, options?: { readonly signal?: AbortSignal | undefined }): Promise<AppendedChange>;
  /** Appends private keys that were sealed again. Rejects as {@link appendResealedKeys}. */
  appendResealedKeys(keys: AsyncIterable<ResealedKey>, options: AppendKeysOptions): Promise<AppendedKeys>;
}

/** Adds the archive to the options of an operation, once the replica is at the head of the bus. */
async function withArchive<T extends Options>(context: Context, options: T): Promise<T & { place: ArchivePlace }> {
  const { archive, view, freshness } = context;
  if (!archive) {
    const what = 'No archive is configured. Say where it is: "archive" in certbus.json, or CERTBUS_ARCHIVE.';
    throw new ManagerError('CERTBUS_MANAGER_ARCHIVE_MISSING', what);
  }
  await refresh(context, options);
  freshness.check();
  await view.written();
  return { ...options, place: archive };
}

/** The operations of one manager. */
export function upkeepOperations(context: Context): UpkeepOperations {
  return {
    archive: async (options = {}) => archiveRanges(context, await withArchive(context, options)),
    trim: async (options) => trim(context, await withArchive(context, options)),
    completeExpulsion: (options) => completeExpulsion(context, options),
    async rootState(options = {}) {
      await refresh(context, options);
      await context.view.written();
      return readRootState(context.bus, context.view.replica, options);
    },
    appendChange: (reply, options) => appendChange(context, reply, options),
    appendResealedKeys: (keys, options) => appendResealedKeys(context, keys, options),
    snapshot: async (options = {}) => takeSnapshot(context, await withArchive(context, options)),
  };
}
