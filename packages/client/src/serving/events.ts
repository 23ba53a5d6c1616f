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
export class MaterialEmitter extends EventEmitter<MaterialEvents> {
  readonly #warned = new Set<unknown>();

  /** Raises an alarm. Where nobody listens, the first of each code becomes a warning of the process. */
  raise(error: Error & { readonly code?: unknown }): void {
    if (this.emit('alarm', error)) return;
    const code = String(error.code ?? error.name);
    if (this.#warned.has(code)) return;
    this.#warned.add(code);
    process.emitWarning(error.message, { type: 'CertBusAlarm', code });
  }
}

/** Makes an emitter. */
export function createEmitter(): MaterialEmitter {
  return new MaterialEmitter();
}
