/** Whether this machine has IPv6. */
import { networkInterfaces } from 'node:os';

/** Why IPv6 cannot be tried on this machine; `undefined` where it can. */
export function missingIpv6(): string | undefined {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return addresses.some(({ address }) => address === '::1') ? undefined : 'this machine has no IPv6 on loopback';
}
