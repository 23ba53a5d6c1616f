import { startDnsServer } from '@certbus/acme/testing';
import { serveParent } from './parent.ts';

const { address, url } = await startDnsServer();
serveParent({ dns: address, url });
