/** Reads NO_PROXY: which hosts are reached without a proxy. */
import { BlockList, isIP, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';

/** Whether a URL's host is in a set. */
export type HostSet = (url: URL) => boolean;

const PORT = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/;
const RANGE = /^\[?([^\]/]+)\]?\/(\d{1,3})$/;

/** The host of a URL without the brackets of an IPv6 address and without the dot of the root. */
const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$|\.$/g, '');

/** The port that a URL is reached at. */
export const portOf = ({ port, protocol }: URL): string => port || (protocol === 'https:' ? '443' : '80');

const familyOf = (address: string) => (isIPv6(address) ? 'ipv6' : 'ipv4');

function addressesIn(fill: (list: BlockList) => void): HostSet {
  const list = new BlockList();
  fill(list);
  return (url) => {
    const host = hostOf(url);
    return isIP(host) > 0 && list.check(host, familyOf(host));
  };
}

function parseRange(address: string, prefix: number): HostSet | undefined {
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  return prefix <= bits ? addressesIn((list) => list.addSubnet(address, prefix, familyOf(address))) : undefined;
}

/** `example.com` and `.example.com` are the name and what is below it, as with curl; `*.example.com` is what is below it alone. */
function parseName(text: string): HostSet | undefined {
  const [, mark = '', rest = ''] = /^(\*\.|\.)?(.*?)\.?$/.exec(text) ?? [];
  // Names in a URL are in this form as well.
  const name = domainToASCII(rest);
  if (!name) return undefined;
  return (url) => {
    const host = hostOf(url);
    return isIP(host) === 0 && ((host === name && mark !== '*.') || host.endsWith(`.${name}`));
  };
}

function parseHost(text: string): HostSet | undefined {
  const address = text.replace(/^\[|\]$/g, '');
  if (isIP(address)) return addressesIn((list) => list.addAddress(address, familyOf(address)));
  return text === '*' ? () => true : parseName(text);
}

/** One entry; `undefined` for what is none. */
function parseEntry(entry: string): HostSet | undefined {
  if (isIPv6(entry)) return parseHost(entry);
  const [, address, prefix] = RANGE.exec(entry) ?? [];
  if (address !== undefined) return parseRange(address, Number(prefix));
  const [, text = '', port] = PORT.exec(entry) ?? [];
  const host = entry.includes('/') ? undefined : parseHost(text);
  return host && ((url) => (port === undefined || Number(portOf(url)) === Number(port)) && host(url));
}

/**
 * Reads NO_PROXY: entries between commas or spaces, of any case. An entry is a name with all that is below it (`example.com`,
 * `.example.com`), what is below it alone (`*.example.com`), an IP address (`10.0.0.1`, `::1`, `[::1]`), a range of addresses
 * (`10.0.0.0/8`, `fd00::/8`), or `*` for everything; a name or an address can have a port behind it (`example.com:8443`,
 * `[::1]:443`). Names are not resolved: an address or range counts for URLs that have the address in them. What is none of these is
 * left out, as by curl, because other programs read the same variable.
 */
export function parseNoProxy(text: string): HostSet {
  const sets = text.split(/[\s,]+/).flatMap((entry) => parseEntry(entry) ?? []);
  return (url) => sets.some((holds) => holds(url));
}

let loopback: HostSet | undefined;

/** Whether a URL leads back to this machine. Read when it is first asked: Node takes five milliseconds for what tells an IPv6 address. */
export const isLoopback: HostSet = (url) => {
  loopback ??= parseNoProxy('localhost, 127.0.0.0/8, ::1');
  return loopback(url);
};
