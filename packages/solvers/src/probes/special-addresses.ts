/** Addresses of this machine and of its link, where no redirect of a stranger may lead a probe. */
import { BlockList, isIP } from 'node:net';

/** Unspecified addresses lead to this machine as well. IPv4 in IPv6 is written out: not every Node unwraps it. */
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addSubnet('0.0.0.0', 8, 'ipv4');
LOOPBACK.addSubnet('::', 127, 'ipv6');
LOOPBACK.addSubnet('::ffff:127.0.0.0', 104, 'ipv6');
LOOPBACK.addSubnet('::ffff:0.0.0.0', 104, 'ipv6');
LOOPBACK.addSubnet('64:ff9b::127.0.0.0', 104, 'ipv6');

/** Services of clouds answer there, with the credentials of the machine (169.254.169.254). */
const LINK_LOCAL = new BlockList();
LINK_LOCAL.addSubnet('169.254.0.0', 16, 'ipv4');
LINK_LOCAL.addSubnet('fe80::', 10, 'ipv6');
LINK_LOCAL.addSubnet('::ffff:169.254.0.0', 112, 'ipv6');
LINK_LOCAL.addSubnet('64:ff9b::169.254.0.0', 112, 'ipv6');
LINK_LOCAL.addAddress('fd00:ec2::254', 'ipv6');

const kindOf = (address: string): 'loopback' | 'link-local' | undefined => {
  const bare = address.replace(/%.*$/, '');
  const family = isIP(bare) === 6 ? 'ipv6' : 'ipv4';
  if (isIP(bare) === 0) return undefined;
  if (LOOPBACK.check(bare, family)) return 'loopback';
  return LINK_LOCAL.check(bare, family) ? 'link-local' : undefined;
};

/**
 * Why a CA would not follow a redirect to an address; `undefined` where it might. A name that is itself at such an address, as those of
 * a private CA on this machine, is proved there: from it, redirects to the same kind of address are followed.
 */
export function objectionToAddress(address: string, first: string): string | undefined {
  const kind = kindOf(address);
  return kind === undefined || kind === kindOf(first)
    ? undefined
    : `at the ${kind} address ${address}, where no CA follows`;
}
