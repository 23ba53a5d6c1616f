/** Names of certificates and servers in their one form, and how they match. */
import { domainToASCII } from 'node:url';
import { EventsError } from './errors.ts';

const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;

/** Labels as a client may type them below a wildcard, also where no CA would put them into a certificate of their own. */
const TYPED_LABEL = /^[a-z0-9_-]{1,63}$/;

const FOREIGN_ASCII = /[^A-Za-z0-9._\u0080-\u{10ffff}-]/u;

function toASCII(text: string): string {
  return FOREIGN_ASCII.test(text) ? '' : domainToASCII(text);
}

/**
 * A server name that a client typed, as it is looked up: A-labels, lower case, no trailing dot, no wildcard; an IP address as
 * {@link normalizeAddress} writes it, though RFC 6066 section 3 wants none here; `undefined` where the text is neither. What a
 * certificate can be issued for is stricter, see {@link normalizeName}.
 */
export function normalizeServerName(name: string): string | undefined {
  const text = name.endsWith('.') ? name.slice(0, -1) : name;
  // Nearly every name arrives in this form; the URL parser costs more than the whole look-up. It would also accept a path,
  // a port or a %-escape, so a text with one of these never gets there.
  const ascii = /^[A-Za-z0-9_.-]+$/.test(text) ? text.toLowerCase() : toASCII(text);
  if (ascii === '' || /^[\d.]+$/.test(ascii)) return normalizeAddress(name);
  if (ascii.length > 253) return undefined;
  return ascii.split('.').every((label) => TYPED_LABEL.test(label)) ? ascii : undefined;
}

/** A domain name that a certificate can be issued for, without wildcard. */
function normalizeDomain(name: string): string | undefined {
  const domain = normalizeServerName(name);
  const isDomain = domain !== undefined && !isAddress(domain) && domain.split('.').every((label) => LABEL.test(label));
  return isDomain ? domain : undefined;
}

/**
 * A name of a certificate in its one form: A-labels (IDNs are converted), lower case, no trailing dot, a wildcard only as
 * the whole leftmost label; or an IP address as {@link normalizeAddress} writes it. Throws `CERTBUS_EVENTS_NAME_INVALID`.
 */
export function normalizeName(name: string): string {
  const address = normalizeAddress(name.trim());
  if (address !== undefined) return address;
  const wildcard = name.startsWith('*.');
  const rest = normalizeDomain((wildcard ? name.slice(2) : name).trim());
  if (rest === undefined || (!wildcard && rest.includes('*'))) {
    const shown = JSON.stringify(name.slice(0, 80));
    throw new EventsError(
      'CERTBUS_EVENTS_NAME_INVALID',
      `${shown} is not a domain name or an IP address. A domain name needs labels of letters, digits and hyphens (63 characters at most each) between dots, like shop.example.com; a wildcard is only the whole first label, like *.example.com. An IPv6 address has no brackets.`,
    );
  }
  return wildcard ? `*.${rest}` : rest;
}

/** Names in their one form, without duplicates, sorted. Throws as {@link normalizeName}. */
export function normalizeNames(names: readonly string[]): string[] {
  return [...new Set(names.map(normalizeName))].sort();
}

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

/** An IP address in its one form: IPv4 in decimal, IPv6 as RFC 5952 writes it, without brackets; `undefined` where the text is not one. */
export function normalizeAddress(text: string): string | undefined {
  if (IPV4.test(text)) return text;
  const isLikeIPv6 = text.includes(':') && /^[\da-f:.]+$/i.test(text) && URL.canParse(`http://[${text}]/`);
  return isLikeIPv6 ? new URL(`http://[${text}]/`).hostname.slice(1, -1) : undefined;
}

/** Whether a name of a certificate, in its one form, is an IP address. */
export function isAddress(name: string): boolean {
  return name.includes(':') || IPV4.test(name);
}

/** The eight groups of an IPv6 address in its one form, hexadecimal without leading zeros. */
export function addressGroups(address: string): readonly string[] {
  const [front = [], back = []] = address.split('::').map((half) => (half === '' ? [] : half.split(':')));
  const zeros = Array.from({ length: Math.max(0, 8 - front.length - back.length) }, () => '0');
  return [...front, ...zeros, ...back];
}

/** The name of an IP address in reverse DNS, which a CA sends as the server name in TLS-ALPN-01 (RFC 8738 section 6). */
export function reverseNameOf(address: string): string {
  if (!address.includes(':')) return `${address.split('.').toReversed().join('.')}.in-addr.arpa`;
  const nibbles = addressGroups(address)
    .map((group) => group.padStart(4, '0'))
    .join('');
  return `${[...nibbles].toReversed().join('.')}.ip6.arpa`;
}

/** The names under which a certificate that covers `serverName` is found: itself, then one wildcard level. */
export function candidatesOf(serverName: string): string[] {
  const dot = serverName.indexOf('.');
  return dot < 0 ? [serverName] : [serverName, `*${serverName.slice(dot)}`];
}

/** One text for a set of names in their one form. */
export function nameSetKey(names: readonly string[]): string {
  return [...names].sort().join(' ');
}
