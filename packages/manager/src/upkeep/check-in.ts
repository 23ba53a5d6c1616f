/** Reports a successful run to a dead man's switch. */
import { ManagerError } from '../errors.ts';

const TIMEOUT_MS = 10_000;

/** Reports a successful run to a dead man's switch. Rejects `CERTBUS_MANAGER_CHECK_IN_FAILED` without the URL's path, which is as good as a secret. */
export async function checkIn(url: string, signal: AbortSignal): Promise<void> {
  const { host } = new URL(url);
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]) });
    await response.body?.cancel();
    if (response.ok) return;
    throw new Error(`HTTP status ${response.status}`);
  } catch (cause) {
    const what = `The certificates are in order, but the check-in at ${host} failed: ${cause instanceof Error ? cause.message : 'unknown'}.`;
    throw new ManagerError('CERTBUS_MANAGER_CHECK_IN_FAILED', what, { cause });
  }
}
