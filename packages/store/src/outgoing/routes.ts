/** Decides which proxy a URL is reached through, from an option or the variables of an environment. */
import { StoreError } from '../errors.ts';
import { isLoopback, parseNoProxy } from './no-proxy.ts';

/** A proxy, given by a program in place of the environment. */
export interface ProxyOptions {
  /** `http://HOST:PORT` or `https://HOST:PORT`, with user name and password where it wants them. */
  readonly url: string;
  /** Hosts that are reached without it, in the form of NO_PROXY: `ca.test, .internal, 10.0.0.0/8, [::1]:443`. Default: none. */
  readonly noProxy?: string | undefined;
}

/** The URL of a proxy, a proxy with its exceptions, or `false` for none, whatever the environment says. */
export type ProxySetting = string | ProxyOptions | false;

/** Where the proxies of a program are named. */
export interface RouteOptions {
  /** Default: what the environment says. */
  readonly proxy?: ProxySetting | undefined;
  /** Variables by name, such as `process.env`. Default: none, because a library reads no environment. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
}

/** A proxy, as it is connected to. */
export interface ProxyAddress {
  readonly isTls: boolean;
  /** Without the brackets of an IPv6 address. */
  readonly hostname: string;
  readonly port: number;
  /** `HOST:PORT` for messages, which must never have the credentials. */
  readonly host: string;
  /** What `Proxy-Authorization` holds; `undefined` where the address has no credentials. */
  readonly authorization: string | undefined;
}

/** The proxy of a URL; `undefined` where it is reached directly. Throws `CERTBUS_STORE_PROXY_INVALID`. */
export type Routes = (url: URL) => ProxyAddress | undefined;

const refuse = (source: string, why: string): StoreError =>
  new StoreError(
    'CERTBUS_STORE_PROXY_INVALID',
    `${source} is not the address of a proxy: ${why}. Give it as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, with special characters as %40 for @.`,
  );

/** The bytes that percent signs stand for; a percent sign that stands for nothing is itself, as with curl. */
const decode = (text: string): string =>
  text.replace(/(?:%[0-9a-f]{2})+/gi, (codes) => Buffer.from(codes.replaceAll('%', ''), 'hex').toString());

function authorizationOf({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  return `Basic ${Buffer.from(`${decode(username)}:${decode(password)}`).toString('base64')}`;
}

/** Reads the address of a proxy; without a scheme it is http, as with curl. The error never has the text, which can hold a password. */
function parseProxy(text: string, source: string): ProxyAddress {
  const [, scheme] = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text) ?? [];
  if (scheme && !/^https?$/i.test(scheme))
    throw refuse(source, `its scheme is ${scheme.toLowerCase()}, and only http and https are supported`);
  const url = URL.parse(scheme ? text : `http://${text}`);
  if (!url?.hostname || url.port === '0') throw refuse(source, 'it has no valid host and port');
  // What looks like a path is often the end of a password that has a slash in it.
  if (url.pathname !== '/' || url.search || url.hash) throw refuse(source, 'something follows its host and port');
  const isTls = url.protocol === 'https:';
  const port = Number(url.port) || (isTls ? 443 : 80);
  return {
    isTls,
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port,
    host: `${url.hostname}:${port}`,
    authorization: authorizationOf(url),
  };
}

const isOnThisMachine = ({ host }: ProxyAddress): boolean => isLoopback(new URL(`http://${host}`));

/** Routes by one proxy for each scheme. */
function routesBy(proxyFor: (scheme: string) => ProxyAddress | undefined, noProxy: string): Routes {
  const isExcepted = parseNoProxy(noProxy);
  return (url) => {
    if (isExcepted(url)) return undefined;
    const proxy = proxyFor(url.protocol);
    // Another machine's loopback is not ours: what is sent there would reach the proxy itself.
    return proxy && isLoopback(url) && !isOnThisMachine(proxy) ? undefined : proxy;
  };
}

/** The variables of each scheme, the first that is set counts. */
function namesFor(scheme: string, environment: NonNullable<RouteOptions['environment']>): readonly string[] {
  if (scheme === 'https:') return ['https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY'];
  // In a CGI program a header "Proxy" of any visitor becomes HTTP_PROXY (CVE-2016-5385).
  const isCgi = environment['REQUEST_METHOD'] !== undefined;
  return ['http_proxy', ...(isCgi ? [] : ['HTTP_PROXY']), 'all_proxy', 'ALL_PROXY'];
}

function routesOfEnvironment(environment: NonNullable<RouteOptions['environment']>): Routes | undefined {
  const find = (names: readonly string[]) => names.find((name) => environment[name]);
  const named = (scheme: string) => find(namesFor(scheme, environment));
  if (!named('http:') && !named('https:')) return undefined;
  const noProxy = environment[find(['no_proxy', 'NO_PROXY']) ?? ''] ?? '';
  const known = new Map<string, ProxyAddress>();
  const proxyFor = (scheme: string) => {
    const name = named(scheme);
    if (!name) return undefined;
    const proxy = known.get(scheme) ?? parseProxy(environment[name] ?? '', `The environment variable ${name}`);
    known.set(scheme, proxy);
    return proxy;
  };
  return routesBy(proxyFor, noProxy);
}

/**
 * The routes that an option or else an environment names; `undefined` where every URL is reached directly.
 *
 * As with curl: `https_proxy` and `http_proxy` by the scheme of the URL, else `all_proxy`, but for `no_proxy`; small letters come
 * before capitals, and an empty variable is not set. What is on this machine is reached directly, unless the proxy is on it too. A
 * variable that is wrong is an error when a URL needs it; an option that is wrong throws `CERTBUS_STORE_PROXY_INVALID` at once.
 */
export function createRoutes({ proxy, environment = {} }: RouteOptions): Routes | undefined {
  if (proxy === false) return undefined;
  if (proxy === undefined) return routesOfEnvironment(environment);
  const { url, noProxy = '' } = typeof proxy === 'string' ? { url: proxy } : proxy;
  const address = parseProxy(url, 'The option "proxy"');
  return routesBy(() => address, noProxy);
}
