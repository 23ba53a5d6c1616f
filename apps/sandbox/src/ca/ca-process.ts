/** The process that runs the strict ACME server. */
import { startAcmeServer } from '@certbus/acme-server';
import { serveParent } from './parent.ts';

const [, , dnsServer = '', httpPort, tlsPort] = process.argv;
const server = await startAcmeServer({
  validation: { dnsServer, httpPort: Number(httpPort), tlsPort: Number(tlsPort) },
  nonceRejectPercent: 5,
});
const { directory, roots, issuedRoots } = server;
serveParent({ directory, roots, issuedRoots: issuedRoots[0] }, () => server.orderCount);
