/** Reads the manager key of this machine, wherever it is kept. */
import { EventsError, type ManagerKey, parseManagerKey } from '@certbus/events';
import { type Environment, readKey } from './environment.ts';
import { isReference } from './secrets/reference.ts';

/** The manager key. Rejects as `readKey` does, and with `CERTBUS_EVENTS_KEY_MALFORMED`, which names the reference that it was read by. */
export async function readManagerKey(
  environment: Environment,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<ManagerKey> {
  const text = await readKey(environment, 'managerKey', options);
  try {
    return parseManagerKey(text);
  } catch (cause) {
    const source = environment.config.managerKey();
    if (!(cause instanceof EventsError) || !isReference(source)) throw cause;
    throw new EventsError(cause.code, `What ${source} holds is not the manager key. ${cause.message}`, { cause });
  }
}
