import { EventEmitter } from 'node:events';

/** What a client tells its program. */
export interface ClientEvents {
  /** A certificate came, was renewed or was removed. */
  changed: [{ readonly certificateId: string; readonly names: readonly string[]; readonly removed: boolean }];
  /** So much changed at once that it is not told one by one: a large bus was read for the first time, or one was restored. */
  rebuilt: [];
  /** A TLS client asked for a name that no certificate covers. */
  missing: [{ readonly serverName: string }];
  /** Something needs a person: refused history, a key that does not open, a bus that is away. What was served stays served. */
  alarm: [Error];
  /** The client has caught up with the bus. */
  live: [];
}

/** A typed emitter of {@link ClientEvents}. */
export type ClientEmitter = EventEmitter<ClientEvents>;

/** Makes an emitter. */
export function createEmitter(): ClientEmitter {
  return new EventEmitter<ClientEvents>();
}
