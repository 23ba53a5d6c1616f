/** What a client tells its program. */
import { EventEmitter } from 'node:events';

/** Events of a {@link MaterialSource}. */
export interface MaterialEvents {
  /** A certificate came, was renewed or was removed. */
  changed: [{ readonly certificateId: string; readonly names: readonly string[]; readonly removed: boolean }];
  /** So much changed at once that it is not reported one by one: a large bus was read for the first time, or one was restored. */
  rebuilt: [];
  /** Something needs a person: refused history, a key that does not open, a bus that is away. What was served stays served. */
  alarm: [Error];
  /** The client has caught up with the bus. */
  live: [];
  /** The replica has moved on; announced challenges or the ACME account may be others. */
  moved: [];
}

/** A typed emitter of {@link MaterialEvents}. */
export type MaterialEmitter = EventEmitter<MaterialEvents>;

/** Makes an emitter. */
export function createEmitter(): MaterialEmitter {
  return new EventEmitter<MaterialEvents>();
}
