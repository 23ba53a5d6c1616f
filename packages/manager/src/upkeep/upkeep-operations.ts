/** What a manager does for the bus itself: its archive, and changes of its keys. */
import { HistoryError } from '@certbus/events/history';
import type { ArchivePlace, Log, TakenSnapshot } from '@certbus/store';
import { requireConfiguration } from '../configuration/stored-configuration.ts';
import { type Context, refresh } from '../context.ts';
import { ManagerError } from '../errors.ts';
import type { Announcer } from './alerts/announcer.ts';
import { archiveRanges, takeSnapshot, trim, type UpkeepOptions } from './archive.ts';
import { type CompletedExpulsion, completeExpulsion } from './expulsion/completion.ts';
import { type AppendedChange, appendChange } from './key-changes/append.ts';
import { type AppendedKeys, type AppendKeysOptions, appendResealedKeys } from './key-changes/append-resealed.ts';
import { besides, type RootPicture, readRootState } from './key-changes/keys-in-force.ts';
import type { RootReply } from './key-changes/request.ts';
import type { ResealedKey } from './key-changes/resealed-keys.ts';

type Options = Omit<UpkeepOptions, 'place'>;

/** How long telling people may take. */
const TELL_MS = 15_000;

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
  rootState(options?: { readonly signal?: AbortSignal | undefined }): Promise<RootPicture>;
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

/** Tells people that the archive cannot be written, or that this is over. What becomes of that is logged: it hides neither result nor failure. */
async function tellArchive(context: Context, announcer: Announcer, failure: Error | undefined): Promise<void> {
  // Before the first configuration there is nobody to tell.
  if (!context.view.state.bus.config) return;
  const since = context.now();
  const found = failure
    ? [{ kind: 'archive-failing' as const, subject: 'archive', detail: failure.message, since }]
    : [];
  try {
    const config = await requireConfiguration(context);
    const { errors } = await announcer.about('archive-failing', found, {
      config,
      signal: AbortSignal.timeout(TELL_MS),
    });
    for (const error of errors) context.logger.warn('an alert could not be sent', { error: String(error) });
  } catch (error) {
    context.logger.warn('an alert could not be sent', { error: String(error) });
  }
}

/** Whether a failure is one of writing the archive: not of the bus, and not of who called. */
const isOfArchive = (error: unknown): error is Error =>
  error instanceof Error && !(error instanceof ManagerError) && !(error instanceof HistoryError);

/** Does what writes to the archive, and tells people how that went. */
async function announcing<T>(
  {
    context,
    announcer,
    signal,
  }: { readonly context: Context; readonly announcer: Announcer; readonly signal: AbortSignal | undefined },
  work: () => Promise<T>,
): Promise<T> {
  try {
    const result = await work();
    await tellArchive(context, announcer, undefined);
    return result;
  } catch (error) {
    signal?.throwIfAborted();
    if (isOfArchive(error)) await tellArchive(context, announcer, error);
    throw error;
  }
}

/** The operations of one manager. */
export function upkeepOperations(context: Context, announcer: Announcer): UpkeepOperations {
  return {
    async archive(options = {}) {
      const place = await withArchive(context, options);
      return announcing({ context, announcer, signal: options.signal }, () => archiveRanges(context, place));
    },
    trim: async (options) => trim(context, await withArchive(context, options)),
    completeExpulsion: (options) => completeExpulsion(context, options),
    async rootState(options = {}) {
      await refresh(context, options);
      await context.view.written();
      const { bus, view } = context;
      return { ...(await readRootState(bus, view.replica, options)), ...besides(view) };
    },
    appendChange: (reply, options) => appendChange(context, reply, options),
    appendResealedKeys: (keys, options) => appendResealedKeys(context, keys, options),
    async snapshot(options = {}) {
      const place = await withArchive(context, options);
      return announcing({ context, announcer, signal: options.signal }, () => takeSnapshot(context, place));
    },
  };
}
