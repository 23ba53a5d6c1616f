/** Reads the root key, where it is on this machine. */
import { parseRootKey, type Signer } from '@certbus/events';
import { type Environment, readParsedKey } from './environment.ts';
import { isNotThere } from './with-key-holder.ts';

/**
 * The root key of this machine; `undefined` where none is named, or the file is not there since it is kept offline. Rejects as `readKey` does for
 * one that is there and cannot be used.
 */
export async function findRootKey(
  environment: Environment,
  { signal }: { readonly signal: AbortSignal },
): Promise<Signer | undefined> {
  try {
    return await readParsedKey(environment, 'rootKey', { parse: parseRootKey, signal });
  } catch (error) {
    if (isNotThere(error)) return undefined;
    throw error;
  }
}
