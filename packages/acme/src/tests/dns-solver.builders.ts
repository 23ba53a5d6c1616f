/** A solver for the DNS server of a test. */
import type { DnsServer } from '@certbus/acme-server';
import type { Solver } from '../solver/solver.ts';

/** Answers dns-01 in the DNS server of a test. */
export function createDnsSolver(dns: DnsServer): Solver {
  return {
    challenges: ['dns-01'],
    async present(challenges) {
      for (const { dnsName, dnsValue } of challenges) dns.add(dnsName, 'TXT', dnsValue);
    },
    async ready() {},
    async cleanUp(challenges) {
      for (const { dnsName, dnsValue } of challenges) dns.remove(dnsName, 'TXT', dnsValue);
    },
  };
}
