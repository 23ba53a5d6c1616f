import { startAcmeServer } from '@certbus/acme/testing';
import { serveParent } from './parent.ts';

const [, , dnsServer = '', httpPort = ''] = process.argv;
const server = await startAcmeServer({
  validation: { dnsServer, httpPort: Number(httpPort) },
  nonceRejectPercent: 5,
});
const { directory, roots, issuedRoots } = server;
serveParent({ directory, roots, issuedRoots: issuedRoots[0] }, () => server.orderCount);
