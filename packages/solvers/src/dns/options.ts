/** How a solver finds its way in DNS. Servers are `ADDRESS` or `ADDRESS:PORT`, IPv6 addresses with a port in brackets. */
import type { Clock } from '../clock.ts';

/** How a solver finds its way in DNS. */
export interface DnsOptions {
  /** Resolvers that are asked for aliases, zones and name servers, never for values. Default: those of this machine. */
  readonly resolver?: readonly string[] | undefined;
  /** Servers that must show the values. Default: all that the zone's NS records name; `false`: the host's word is enough. */
  readonly nameServers?: readonly string[] | false | undefined;
  /** Whether values go where CNAMEs lead; those that a wildcard makes never count. Default true; `false`: to the name itself. */
  readonly followAliases?: boolean | undefined;
  /** Port of the servers that NS records name. Default 53. */
  readonly nameServerPort?: number | undefined;
  /** How long all of them may take to show the values, in ms. Default 120,000. */
  readonly visibleWithinMs?: number | undefined;
  /** Measures the wait for values. Default: real time. */
  readonly clock?: Clock | undefined;
}
