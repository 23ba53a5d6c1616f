/** Errors on their way from the thread that writes a replica to the one that asked: what a program branches on arrives as it was. */
import { EventsError } from '@certbus/events';
import { HistoryError } from '@certbus/events/history';
import { StoreError } from '@certbus/store';
import { ReplicaError } from '../errors.ts';

/** An error as plain data. */
export interface WireError {
  readonly name: string;
  readonly code: string | undefined;
  readonly message: string;
  /** Of a `HistoryError`. */
  readonly position: number | undefined;
  readonly cause: WireError | undefined;
}

/** Causes of causes that are sent. */
const MAX_CAUSES = 4;

/** Makes plain data of what was thrown. */
export function toWire(error: unknown, causes: number = MAX_CAUSES): WireError {
  if (!(error instanceof Error))
    return { name: 'Error', code: undefined, message: String(error), position: undefined, cause: undefined };
  const { message, cause } = error;
  return {
    name: error instanceof StoreError ? 'StoreError' : error.name,
    code: 'code' in error ? String(error.code) : undefined,
    message,
    position: error instanceof HistoryError ? error.position : undefined,
    cause: cause !== undefined && causes > 0 ? toWire(cause, causes - 1) : undefined,
  };
}

function make({ name, code, message, position }: WireError, options: ErrorOptions): Error {
  // Each code is one of its class: it was made by that class in the other thread.
  switch (name) {
    case 'StoreError':
      return new StoreError(code as StoreError['code'], message, options);
    case 'EventsError':
      return new EventsError(code as EventsError['code'], message, options);
    case 'HistoryError':
      // Its own message already begins with the position.
      return Object.assign(new HistoryError(code as HistoryError['code'], position ?? 0, '', options), { message });
    case 'ReplicaError':
      return new ReplicaError(code as ReplicaError['code'], message, options);
    default:
      return Object.assign(new Error(message, options), code === undefined ? {} : { code });
  }
}

/** The error that plain data stands for: an instance of the class that it was of. */
export function fromWire(wire: WireError): Error {
  return make(wire, wire.cause ? { cause: fromWire(wire.cause) } : {});
}
