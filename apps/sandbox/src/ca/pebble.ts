/** Pebble and its DNS server, as a CA for the sandbox. */
import { startChallTestSrv, startPebble } from 'certbus-services';
import type { CaKind, RunningCa } from './running.ts';

/** Let's Encrypt's own test CA and its DNS server, installed where they never were. */
export const pebble: CaKind = {
  // Pebble makes new roots at every start, and has its accounts in memory alone.
  keepsState: false,
  startDns: () => startChallTestSrv(),
  async startCa({ dnsServer, httpPort: http, tlsPort: tls }): Promise<RunningCa> {
    const ca = await startPebble({ dnsServer, httpPort: http, tlsPort: tls });
    const { directory, roots, httpPort, tlsPort, version, origin, orders, stop } = ca;
    const from = origin === 'go' ? 'built from its Go module' : "Debian's package (this machine has no Go)";
    return {
      description: `Pebble ${version}, ${from}`,
      directory,
      roots,
      issuedRoots: await ca.issuedRoots(),
      httpPort,
      tlsPort,
      orders: async () => orders(),
      stop,
    };
  },
};
