/** A process of its own: the strict ACME server, which validates for real, and the DNS server that it asks. */
import { startAcmeServer, startDnsServer } from '@certbus/acme-server';
import type { Site } from './site.ts';

const { url: answers, address: dns } = await startDnsServer();
const { directory, roots } = await startAcmeServer({ validation: { dnsServer: dns } });
process.on('disconnect', () => process.exit());
process.send?.({ directory, roots, answers, dns, httpPort: 80, challenge: 'dns-01' } satisfies Site);
