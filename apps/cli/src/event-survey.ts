/** Finds out whether what is asked of a bus is there at all, so that a mistyped name does not look like silence. */
import { type Commit, EVENT_TYPES, type ReadEvent } from '@certbus/events/history';
import { nothingFits } from './did-you-mean.ts';
import type { CliError } from './errors.ts';
import { createEventFilter, type EventFilter } from './event-filter.ts';

/** Adds the ids and names of certificates that events are about. */
export function addSubjects(known: Set<string>, events: readonly ReadEvent[]): void {
  for (const { event } of events) {
    if (!event || !('certificateId' in event)) continue;
    known.add(event.certificateId);
    if ('names' in event) for (const name of event.names) known.add(name);
  }
}

/** What a bus has of what was asked for. */
export interface Survey {
  /** Takes the commits of the bus in their order, from the first on. */
  add(commit: Commit): void;
  /** `CERTBUS_CLI_NO_MATCH` for a type, a name or a position that nothing on the bus fits; `undefined` where all are there. */
  unmatched(): CliError | undefined;
}

/** Surveys a bus for types of events, the subject of events, and the position that a list starts after. */
export function createSurvey({ types = [], subject, after }: EventFilter & { readonly after: number }): Survey {
  // Those of the bus as well: a later release may have written them.
  const knownTypes = new Set(EVENT_TYPES);
  const subjects = new Set<string>();
  const isAboutSubject = createEventFilter({ subject });
  let isSubjectThere = false;
  let head = 0;
  return {
    add({ position, events }) {
      head = position;
      for (const { type } of events) knownTypes.add(type);
      if (subject === undefined) return;
      addSubjects(subjects, events);
      isSubjectThere ||= isAboutSubject(events).length > 0;
    },
    unmatched() {
      const type = types.find((each) => !knownTypes.has(each));
      if (type !== undefined)
        return nothingFits({ flag: '--type', value: type, among: 'type of event', known: knownTypes });
      if (subject !== undefined && !isSubjectThere)
        return nothingFits({ flag: '--name', value: subject, among: 'event of this bus', known: subjects });
      if (after <= head) return undefined;
      return nothingFits({
        flag: '--after',
        value: String(after),
        among: 'position of this bus',
        known: [String(head)],
      });
    },
  };
}
