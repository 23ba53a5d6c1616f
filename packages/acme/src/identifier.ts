/** What a CA confirms (RFC 8555 §7.1.3, RFC 8738 §3). */
export interface Identifier {
  readonly type: 'dns' | 'ip';
  readonly value: string;
}

const isIPv4 = (name: string): boolean => /^\d{1,3}(\.\d{1,3}){3}$/.test(name) && URL.canParse(`http://${name}/`);
const isIPv6 = (name: string): boolean => /^[\da-f:.]+$/i.test(name) && URL.canParse(`http://[${name}]/`);

const isAddress = (name: string): boolean => isIPv4(name) || isIPv6(name);

/** A name in lower case; an IPv6 address in the one form of RFC 5952, without brackets. */
export function canonicalName(name: string): string {
  return isIPv6(name) ? new URL(`http://[${name}]/`).hostname.slice(1, -1) : name.toLowerCase();
}

/** What a name of a certificate is ordered as: an IP address is of type `ip`. */
export function identifierOf(name: string): Identifier {
  return { type: isAddress(name) ? 'ip' : 'dns', value: canonicalName(name) };
}
