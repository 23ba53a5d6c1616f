/** Reports a successful run to a dead man's switch. */
import { StoreError } from '@certbus/store';
import { checkIn, type Outgoing } from '@certbus/store/outgoing';
import { ManagerError } from '../errors.ts';

/**
 * Reports successful runs to a dead man's switch, through the proxy on the way to it. The report rejects
 * `CERTBUS_MANAGER_CHECK_IN_FAILED` without the URL's path, which is as good as a secret, and `CERTBUS_STORE_PROXY_INVALID`.
 */
export function checkInThrough(outgoing: Outgoing | undefined): (url: string, signal: AbortSignal) => Promise<void> {
  return async (url, signal) => {
    try {
      await checkIn(url, { outgoing, signal });
    } catch (cause) {
      if (cause instanceof StoreError || !(cause instanceof Error)) throw cause;
      const what = `The certificates are in order, but ${cause.message}.`;
      throw new ManagerError('CERTBUS_MANAGER_CHECK_IN_FAILED', what, { cause });
    }
  };
}
