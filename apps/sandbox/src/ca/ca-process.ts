/** The process that runs the strict ACME server. */
import { type AcmeServerOptions, startAcmeServer } from '@certbus/acme-server';
import { serveParent } from './parent.ts';

const options = JSON.parse(process.argv[2] ?? '') as AcmeServerOptions;
const server = await startAcmeServer({ ...options, nonceRejectPercent: 5 }).catch((error: Error) => {
  console.error(error.message);
  process.exit(1);
});
const { directory, roots, issuedRoots } = server;
serveParent({ directory, roots, issuedRoots: issuedRoots[0] }, () => server.orderCount);
