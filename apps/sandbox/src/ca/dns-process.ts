/** The process that runs the DNS server. */
import { startDnsServer } from '@certbus/acme-server';
import { serveParent } from './parent.ts';

const { address, url } = await startDnsServer();
serveParent({ dns: address, url });
