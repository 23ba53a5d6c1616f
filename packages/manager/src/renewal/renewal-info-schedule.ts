/** When to ask the CAs about each leaf: the notes of it, as renewals see them. */

/** When to ask about what is served of a certificate, and how often asking has failed since it last succeeded. */
export interface RenewalInfoNote {
  readonly certificateId: string;
  readonly leafHash: string;
  /** The CA that issued it. */
  readonly directory: string;
  readonly askAt: Date;
  readonly failures: number;
}

/** The positions whose certificates have been noted: all that changed last behind `after`, and at `upTo` or before it. */
export interface NotedStretch {
  /** `lineOf` of the checkpoint: which line of the bus the positions are on. */
  readonly restored: number;
  readonly after: number;
  readonly upTo: number;
}

/** Port: a manager's own notes of when to ask a CA about a leaf, one a certificate. What is lost is only asked for again. */
export interface RenewalInfoNotes {
  get(certificateId: string): RenewalInfoNote | undefined;
  /** Keeps a note in the place of what was noted of its certificate. */
  set(note: RenewalInfoNote): void;
  forget(certificateId: string): void;
  /**
   * What a CA is to be asked about by `now`: what has waited longest first, then what was put off for longer than anything is, by a clock
   * that was wrong. MUST be read from an index, a bounded number at once, and MUST end while notes are set meanwhile.
   */
  open(directory: string, now: Date): Iterable<RenewalInfoNote>;
  /** The first instant behind `after` at which a CA is to be asked about something; `undefined` for none. MUST be read from an index. */
  next(directory: string, after: Date): Date | undefined;
  /** What {@link extend} was told last; `undefined` before. */
  stretch(): NotedStretch | undefined;
  /**
   * Takes what the certificates of a stretch are served with, both or nothing: a leaf that is noted already keeps its note, another one of
   * its certificate takes its place, and of a certificate in `gone` nothing is kept.
   */
  extend(
    stretch: NotedStretch,
    found: { readonly notes: readonly RenewalInfoNote[]; readonly gone: readonly string[] },
  ): void;
}

/** Nobody is asked to wait for longer than a week, so a note of more was made by a clock that was wrong. */
export const LONGEST_NOTE_MS: number = 8 * 86_400_000;

/** Whether it is time to ask about a leaf of which this was noted. */
export function isOpen({ askAt }: Pick<RenewalInfoNote, 'askAt'>, now: Date): boolean {
  const waitMs = askAt.getTime() - now.getTime();
  return waitMs <= 0 || waitMs > LONGEST_NOTE_MS;
}
