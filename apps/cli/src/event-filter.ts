/** Chooses events of the bus by their type and by the certificate that they are about. */
import { normalizeNames } from '@certbus/events';
import type { Commit, ReadEvent } from '@certbus/events/history';

/** What events are kept. All that is set must fit. */
export interface EventFilter {
  readonly types?: readonly string[] | undefined;
  /** Id of a certificate, or a name that it has or had. */
  readonly subject?: string | undefined;
}

/** Commits up to the first that was signed after an instant; all of them without one. */
export function signedBy(commits: readonly Commit[], at: Date | undefined): readonly Commit[] {
  const end = at === undefined ? -1 : commits.findIndex((commit) => commit.at > at);
  return end < 0 ? commits : commits.slice(0, end);
}

/** A name in its one form; an id stays as it is. */
function inOneForm(subject: string): string {
  try {
    return normalizeNames([subject])[0] ?? subject;
  } catch {
    return subject;
  }
}

/**
 * A function that keeps the events which fit, to be called with all events of a bus in their order: only some events have the names of
 * their certificate, and the others its id.
 */
export function createEventFilter({ types, subject }: EventFilter): (events: readonly ReadEvent[]) => ReadEvent[] {
  const ids = new Set(subject === undefined ? [] : [subject]);
  const name = subject === undefined ? undefined : inOneForm(subject);

  function isAboutSubject({ event }: ReadEvent): boolean {
    if (name === undefined) return true;
    if (!event || !('certificateId' in event)) return false;
    if ('names' in event && event.names.includes(name)) ids.add(event.certificateId);
    return ids.has(event.certificateId);
  }

  return (events) => events.filter((each) => isAboutSubject(each) && (types?.includes(each.type) ?? true));
}
