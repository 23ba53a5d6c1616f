/** Calls the URL of a dead man's switch. */
import type { Outgoing } from './outgoing.ts';

const TIMEOUT_MS = 10_000;

/** The status of a GET; a redirect is not followed, for the secret in the path is for one host. */
async function statusOf(url: string, outgoing: Outgoing | undefined, signal: AbortSignal): Promise<number> {
  if (!outgoing?.proxyHost(url)) {
    const response = await fetch(url, { redirect: 'manual', signal });
    await response.body?.cancel();
    return response.status;
  }
  const dispatcher = await outgoing.openDispatcher();
  try {
    const { origin, pathname, search } = new URL(url);
    const { statusCode, body } = await dispatcher.request({ origin, path: pathname + search, method: 'GET', signal });
    await body.dump();
    return statusCode;
  } finally {
    await dispatcher.destroy();
  }
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return 'unknown';
  return cause.cause instanceof Error && cause.message === 'fetch failed' ? cause.cause.message : cause.message;
}

/** How to get to the switch, and how long to wait. */
export interface CheckInOptions {
  readonly outgoing: Outgoing | undefined;
  readonly signal: AbortSignal;
}

/**
 * Calls the URL of a dead man's switch, through the proxy on the way to it, for 10 s at most. Rejects, where it does not answer with 2xx, with
 * an `Error` to be wrapped: its message begins "the check-in at HOST" and lacks the URL's path, which is as good as a secret. Throws
 * `CERTBUS_STORE_PROXY_INVALID`.
 */
export async function checkIn(url: string, { outgoing, signal }: CheckInOptions): Promise<void> {
  const { host, username, password } = new URL(url);
  // fetch refuses it with a message that has the whole URL.
  if (username || password) throw new Error(`the check-in at ${host} failed: its URL has a user name or a password`);
  const proxy = outgoing?.proxyHost(url);
  try {
    const status = await statusOf(url, outgoing, AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]));
    if (status >= 200 && status < 300) return;
    const advice = status >= 300 && status < 400 ? '. It redirects: set the URL to where that leads' : '';
    throw new Error(`HTTP status ${status}${advice}`);
  } catch (cause) {
    const way = proxy ? ` through the proxy ${proxy}` : '';
    throw new Error(`the check-in at ${host}${way} failed: ${reasonOf(cause)}`, { cause });
  }
}
