/** Reads the manager key of this machine, wherever it is kept. */
import { type ManagerKey, parseManagerKey } from '@certbus/events';
import { type Environment, readParsedKey } from './environment.ts';

/** The manager key. Rejects as `readKey` does, and with `CERTBUS_EVENTS_KEY_MALFORMED`, which names where it was read. */
export function readManagerKey(
  environment: Environment,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<ManagerKey> {
  return readParsedKey(environment, 'managerKey', { parse: parseManagerKey, signal });
}
