/** Appends private keys that were sealed again. */
import { type Context, decide, refresh } from '../../context.ts';
import { reseal } from '../../decide/reseal.ts';
import { ManagerError } from '../../errors.ts';
import type { ResealedFor, ResealedKey } from './resealed-keys.ts';

/** A commit holds 300,000 bytes. */
const COMMIT_BYTES = 200_000;

/** What came of keys that were brought. */
export interface AppendedKeys {
  /** How many are on the bus by this call. */
  readonly written: number;
  /** How many were there already, or are of certificates that were replaced or removed meanwhile. */
  readonly left: number;
}

/** How they are appended. */
export interface AppendKeysOptions {
  readonly for: ResealedFor;
  readonly onProgress?: ((keys: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Appends keys that were sealed again, as many in a commit as it holds; what is on the bus already is not written again, so that it can be
 * repeated. Rejects `CERTBUS_MANAGER_REQUEST_REFUSED` for those of another bus, and as {@link reseal} throws.
 */
export async function appendResealedKeys(
  context: Context,
  keys: AsyncIterable<ResealedKey>,
  { for: { busId, recipientsPosition }, onProgress, signal }: AppendKeysOptions,
): Promise<AppendedKeys> {
  const { trust } = context.bus;
  if (busId !== trust.busId) {
    const what = `The keys are of the bus ${busId}, and this one is ${trust.busId}. Nothing was written.`;
    throw new ManagerError('CERTBUS_MANAGER_REQUEST_REFUSED', what);
  }
  await refresh(context, { signal });
  let [written, taken, bytes] = [0, 0, 0];
  let batch: ResealedKey[] = [];
  const write = async () => {
    const waiting = batch;
    [batch, bytes] = [[], 0];
    written += await decide(context, (state) => reseal(state, waiting, recipientsPosition), { signal });
    taken += waiting.length;
    onProgress?.(taken);
  };
  for await (const key of keys) {
    const size = JSON.stringify(key).length;
    if (batch.length > 0 && bytes + size > COMMIT_BYTES) await write();
    batch.push(key);
    bytes += size;
  }
  // Also without a key: the recipients can have changed.
  await write();
  return { written, left: taken - written };
}
