/** The process that runs the DNS server. */
import { type DnsServerOptions, startDnsServer } from '@certbus/acme-server';
import { serveParent } from './parent.ts';

const { address, url } = await startDnsServer(JSON.parse(process.argv[2] ?? '') as DnsServerOptions);
serveParent({ dns: address, url });
