/** The names of a certificate as ACME identifiers: DNS names and IP addresses. */

/** What a CA confirms (RFC 8555 §7.1.3, RFC 8738 §3). */
export interface Identifier {
  readonly type: 'dns' | 'ip';
  readonly value: string;
}

const isIPv4 = (name: string): boolean => /^\d{1,3}(\.\d{1,3}){3}$/.test(name) && URL.canParse(`http://${name}/`);
const isIPv6 = (name: string): boolean =>
  name.includes(':') && /^[\da-f:.]+$/i.test(name) && URL.canParse(`http://[${name}]/`);

/** Whether a name of a certificate is an IP address. */
export const isAddress = (name: string): boolean => isIPv4(name) || isIPv6(name);

/** A name in lower case; an IPv6 address in the one form of RFC 5952, without brackets. */
export function canonicalName(name: string): string {
  return isIPv6(name) ? new URL(`http://[${name}]/`).hostname.slice(1, -1) : name.toLowerCase();
}

/** The identifier that a name of a certificate is ordered as: an IP address is of type `ip`. */
export function identifierOf(name: string): Identifier {
  return { type: isAddress(name) ? 'ip' : 'dns', value: canonicalName(name) };
}

function groupsOf(address: string): string[] {
  const [head = '', tail] = address.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const [front, back] = [groups(head), groups(tail ?? '')];
  const zeros = tail === undefined ? 0 : 8 - front.length - back.length;
  return [...front, ...Array.from({ length: zeros }, () => '0'), ...back];
}

/** The server name that stands for an IP address in a TLS-ALPN-01 handshake (RFC 8738 §6): its name in reverse DNS. */
export function reverseNameOf(address: string): string {
  if (isIPv4(address)) return `${address.split('.').toReversed().join('.')}.in-addr.arpa`;
  const nibbles = groupsOf(canonicalName(address))
    .map((group) => group.padStart(4, '0'))
    .join('');
  return `${[...nibbles].toReversed().join('.')}.ip6.arpa`;
}
