/** The proxy to a CA, from options or an environment. */
import { AcmeError } from '../errors.ts';

/** The proxy between this machine and a CA. */
export interface ProxyOptions {
  /** `http:` or `https:`, with user name and password where it wants them. Requests go through its `CONNECT`. */
  readonly url: string;
  /** Hosts that are reached without it, in the form of NO_PROXY: `ca.test, .internal, [::1]:443, *`. Default: none. */
  readonly noProxy?: string;
}

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/**
 * The proxy that an environment names: `https_proxy` or `HTTPS_PROXY`, but for `no_proxy` or `NO_PROXY`. Small letters count first, as
 * with curl; what is on this machine is always reached without it, as by Go. `undefined` where it names none. Libraries read no
 * environment, so a program passes its own.
 */
export function proxyOf(environment: Readonly<Record<string, string | undefined>>): ProxyOptions | undefined {
  const url = environment['https_proxy'] ?? environment['HTTPS_PROXY'];
  if (!url) return undefined;
  const noProxy = environment['no_proxy'] ?? environment['NO_PROXY'];
  return { url, noProxy: [...(noProxy ? [noProxy] : []), ...LOOPBACK].join(',') };
}

/** Host of a proxy, for messages: its address can hold a password. Throws `CERTBUS_ACME_PROXY_INVALID`. */
export function proxyHost({ url }: ProxyOptions): string {
  const parsed = URL.parse(url);
  if (parsed && /^https?:$/.test(parsed.protocol) && parsed.hostname) return parsed.host;
  const message = 'The proxy is not an http or https URL. Give it as http://HOST:PORT.';
  throw new AcmeError('CERTBUS_ACME_PROXY_INVALID', message);
}
