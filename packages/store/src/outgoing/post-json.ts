/** Sends JSON to another host, for those who are told something there. */
import type { Agent } from 'undici';
import type { DispatcherOptions } from './dispatcher.ts';
import type { Outgoing } from './outgoing.ts';

const TIMEOUT_MS = 10_000;

/** What is sent, and how to get there. */
export interface PostOptions {
  readonly body: unknown;
  /** Default none but the type of the body. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** PEM of the roots that the host's certificate must come from; default the public ones. */
  readonly roots?: string | undefined;
  readonly outgoing: Outgoing | undefined;
  readonly signal: AbortSignal;
  /** How long all of it may take, the answer's body included, milliseconds; default 10,000. */
  readonly timeoutMs?: number | undefined;
}

async function openDispatcher({ outgoing, roots }: PostOptions): Promise<Agent> {
  const own: DispatcherOptions = roots === undefined ? {} : { connect: { ca: roots } };
  if (outgoing) return outgoing.openDispatcher(own);
  const { createDispatcher } = await import('./dispatcher.ts');
  return createDispatcher(() => undefined, own);
}

/** The status of the answer. Its body is read as far as that costs little, and thrown away. */
async function statusOf({ origin, pathname, search }: URL, options: PostOptions, signal: AbortSignal): Promise<number> {
  const dispatcher = await openDispatcher(options);
  try {
    const { statusCode, body } = await dispatcher.request({
      origin,
      path: pathname + search,
      method: 'POST',
      headers: { ...options.headers, 'content-type': 'application/json' },
      body: JSON.stringify(options.body),
      signal,
    });
    await body.dump({ limit: 65_536, signal });
    return statusCode;
  } finally {
    await dispatcher.destroy();
  }
}

function reasonOf(cause: unknown, timeoutMs: number): string {
  if (!(cause instanceof Error)) return 'unknown';
  return cause.name === 'TimeoutError' ? `no whole answer within ${timeoutMs / 1_000} s` : cause.message;
}

/**
 * Sends JSON to a URL by POST, through the proxy on the way to it. No redirect is followed, since what is in the path can be a secret for one
 * host. Rejects, where the answer is not 2xx or does not come in time, with an `Error` to be wrapped, whose message begins with the host and lacks the
 * rest of the URL; with the signal's reason; and with `CERTBUS_STORE_PROXY_INVALID`.
 */
export async function postJson(url: URL, options: PostOptions): Promise<void> {
  const { outgoing, signal, timeoutMs = TIMEOUT_MS } = options;
  const proxy = outgoing?.proxyHost(url.href);
  try {
    const status = await statusOf(url, options, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
    if (status >= 200 && status < 300) return;
    const advice = status >= 300 && status < 400 ? ' (it redirects: set the URL to where that leads)' : '';
    throw new Error(`HTTP status ${status}${advice}`);
  } catch (cause) {
    signal.throwIfAborted();
    const way = proxy ? ` through the proxy ${proxy}` : '';
    throw new Error(`${url.host}${way}: ${reasonOf(cause, timeoutMs)}`, { cause });
  }
}
