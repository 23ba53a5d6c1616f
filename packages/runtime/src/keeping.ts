/** Keeps what a manager has learned where its own folder does not last: how far it has read, and when to ask the CAs. */
import type { Logger } from '@certbus/acme';
import type { Manager } from '@certbus/manager';
import { archiveNotes, takeArchivedNotes } from '@certbus/manager/renewal-info-archive';
import type { StoredRenewalInfoNotes } from '@certbus/manager/renewal-info-notes';
import type { ArchivePlace } from '@certbus/store';
import type { KnownTrust } from './checkpoint.ts';

/** What is kept, and where. */
export interface KeepingOptions {
  readonly known: Pick<KnownTrust, 'isKept' | 'keep'>;
  readonly notes: StoredRenewalInfoNotes;
  readonly archive: ArchivePlace | undefined;
  readonly busId: string;
  readonly logger: Pick<Logger, 'warn'>;
  readonly now: () => Date;
}

/** Keeps what one manager has learned, where a place for checkpoints is set. Nothing here rejects: what guards against rare events fails no run, and is reported. */
export interface Keeping {
  /** Takes the notes of the archive, where there are none here, unless that takes longer than half a minute, or the signal ends it. */
  begin(options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  /** Keeps how far the manager has read, and the notes, but these at most once an hour. Calls that overlap are taken together. */
  keep(manager: Learned): Promise<void>;
  /** Keeps both for the last time. */
  end(manager: Learned): Promise<void>;
}

/** What is kept of a manager. */
type Learned = Pick<Manager, 'checkpoint' | 'staleSince'>;

/**
 * Bound of keeping all of it, milliseconds. A function has half a minute for what comes after its run, and telling people that the bus is away can take
 * half of that.
 */
const KEEP_MS = 10_000;
/** Bound of reading the notes, milliseconds: an archive that takes requests and answers none would hold up a start for minutes. */
const BEGIN_MS = 30_000;
/** How often the notes are kept while a manager runs on, milliseconds: those of a large bus are megabytes, and save no more than questions. */
const NOTES_EVERY_MS = 3_600_000;

/** Reports what fails: once, until it fails in another way or no longer does. */
function createReports(logger: Pick<Logger, 'warn'>) {
  const reported = new Map<string, string>();
  return async (what: string, act: () => Promise<void>): Promise<void> => {
    try {
      await act();
      reported.delete(what);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (reported.get(what) !== reason) logger.warn(what, { error: reason });
      reported.set(what, reason);
    }
  };
}

/** Nothing is kept yet. */
export function createKeeping({ known, notes, archive, busId, logger, now }: KeepingOptions): Keeping {
  const unlessFailing = createReports(logger);
  const place = known.isKept ? archive : undefined;
  let archived = 0;
  let archivedAt = Number.NEGATIVE_INFINITY;
  let isFull = false;
  let current: Promise<void> | undefined;
  let waiting: Promise<void> | undefined;
  /** Ends what is under way, once it is kept for the last time. */
  const ending = new AbortController();

  async function keepNotes(signal: AbortSignal): Promise<void> {
    const changes = notes.changes();
    if (!place || changes === archived) return;
    archivedAt = now().getTime();
    const leftOut = await archiveNotes(notes, { place, busId, signal });
    archived = changes;
    if (leftOut > 0 && !isFull)
      logger.warn(
        `the archive has no room for ${leftOut} of the notes of when to ask the CAs: a start in an empty folder asks about these certificates`,
      );
    isFull = leftOut > 0;
  }

  async function keepBoth({ checkpoint, staleSince }: Learned, { isLast }: { readonly isLast: boolean }) {
    const signal = AbortSignal.any([AbortSignal.timeout(KEEP_MS), ...(isLast ? [] : [ending.signal])]);
    /** What is given up for the last time is no failure. */
    const unlessOver = (act: () => Promise<void>) => async () => {
      try {
        await act();
      } catch (error) {
        if (isLast || !ending.signal.aborted) throw error;
      }
    };
    await Promise.all([
      unlessFailing(
        'the checkpoint was not written',
        unlessOver(async () => {
          // What could be a history that was cut off is not what this manager knows.
          if (staleSince) return;
          await known.keep(checkpoint, { signal });
        }),
      ),
      unlessFailing(
        'the notes of when to ask the CAs were not written',
        unlessOver(async () => {
          // A clock that was put back by more than that has not shown how long it is.
          if (isLast || Math.abs(now().getTime() - archivedAt) >= NOTES_EVERY_MS) await keepNotes(signal);
        }),
      ),
    ]);
  }

  return {
    begin: ({ signal } = {}) =>
      unlessFailing('the notes of when to ask the CAs were not read', async () => {
        const bounds = [AbortSignal.timeout(BEGIN_MS), ...(signal ? [signal] : [])];
        if (place) await takeArchivedNotes(notes, { place, busId, signal: AbortSignal.any(bounds) });
      }),
    keep(manager) {
      // One after the other, so that the later one is not overwritten.
      waiting ??= (current ?? Promise.resolve()).then(() => {
        waiting = undefined;
        if (ending.signal.aborted) return undefined;
        current = keepBoth(manager, { isLast: false });
        return current;
      });
      return waiting;
    },
    async end(manager) {
      ending.abort();
      await (waiting ?? current);
      await keepBoth(manager, { isLast: true });
    },
  };
}
