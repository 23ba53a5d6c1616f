/** What a client tells its program. */
import { EventEmitter } from 'node:events';
import { ClientError } from '../errors.ts';

/** Events of a {@link MaterialSource}. */
export interface MaterialEvents {
  /** What is served of a certificate changed: it came, was renewed or was removed. */
  changed: [{ readonly certificateId: string; readonly names: readonly string[]; readonly removed: boolean }];
  /** So much changed at once that it is not reported one by one: a large bus was read for the first time, or one was restored. */
  rebuilt: [];
  /**
   * A client asked for a name that no certificate covers. Strangers choose the name, and how often this happens: at most 10 a minute are
   * emitted, and `leftOut` says how many were not since the last one. The name is cut at 255 characters, and what could steer a
   * terminal is replaced.
   */
  missing: [{ readonly serverName: string; readonly leftOut: number }];
  /** Something needs a person: refused history, a key that does not open, a bus that is away. What was served stays served. */
  alarm: [Error];
  /** The client has caught up with the bus. */
  live: [];
  /** The replica has moved on; announced challenges or the ACME account may be others. */
  moved: [];
}

/** Failures of listeners that are remembered, so that each becomes one alarm. */
const MAX_FAILURES = 100;

/** Listeners that count alarms, and tell nobody. */
const counters = new WeakSet<object>();

/** Marks a listener that counts alarms: one that nobody else listens to becomes a warning of the process all the same. */
export function countsOnly<Listener extends object>(listener: Listener): Listener {
  counters.add(listener);
  return listener;
}

function listenerFailed(event: string, cause: unknown): ClientError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const what = `A listener of the event "${event}" failed: ${why}. The other listeners were called, and the client goes on.`;
  return new ClientError('CERTBUS_CLIENT_LISTENER_FAILED', what, { cause });
}

/**
 * A typed emitter of {@link MaterialEvents}. A listener that throws, or whose promise rejects, stops neither the others nor the client: it
 * becomes an alarm, once for each event and message, and a warning of the process where it was the alarm's own.
 */
export class MaterialEmitter extends EventEmitter<MaterialEvents> {
  readonly #warned = new Set<string>();
  readonly #failures = new Set<string>();

  override emit<Event extends keyof MaterialEvents>(event: Event, ...args: MaterialEvents[Event]): boolean;
  override emit(event: keyof MaterialEvents, ...args: readonly unknown[]): boolean {
    const listeners = this.rawListeners(event);
    for (const listener of listeners) {
      try {
        const result: unknown = Reflect.apply(listener, this, args);
        if (result instanceof Promise) result.catch((error: unknown) => this.#fail(event, error));
      } catch (error) {
        this.#fail(event, error);
      }
    }
    return listeners.length > 0;
  }

  /** Raises an alarm. Where nobody listens, the first of each code becomes a warning of the process. */
  raise(error: Error & { readonly code?: unknown }): void {
    const isHeard = this.rawListeners('alarm').some((listener) => !counters.has(listener));
    this.emit('alarm', error);
    if (!isHeard) this.#warn(error, String(error.code ?? error.name));
  }

  #fail(event: keyof MaterialEvents, cause: unknown): void {
    const error = listenerFailed(event, cause);
    if (event === 'alarm') {
      this.#warn(error, error.code);
    } else if (!this.#failures.has(error.message) && this.#failures.size < MAX_FAILURES) {
      this.#failures.add(error.message);
      this.raise(error);
    }
  }

  #warn(error: Error, code: string): void {
    if (this.#warned.has(code)) return;
    this.#warned.add(code);
    process.emitWarning(error.message, { type: 'CertBusAlarm', code });
  }
}

/** Makes an emitter. */
export function createEmitter(): MaterialEmitter {
  return new MaterialEmitter();
}
