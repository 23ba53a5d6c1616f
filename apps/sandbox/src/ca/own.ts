/** The sandbox's own CA and DNS server, as processes. */
import { fileURLToPath } from 'node:url';
import { startChild } from './child.ts';
import type { CaKind, RunningCa, RunningDns } from './running.ts';

const moduleAt = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** The strict ACME server and the DNS server of `@certbus/acme-server`, each in a process of its own. They need Node alone. */
export const own: CaKind = {
  async startDns() {
    const { ready, stop } = await startChild<Pick<RunningDns, 'dns' | 'url'>>(moduleAt('dns-process.ts'));
    return { ...ready, stop };
  },
  async startCa({ dnsServer, httpPort, tlsPort }) {
    type Ready = Pick<RunningCa, 'directory' | 'roots' | 'issuedRoots'>;
    const args = [dnsServer, String(httpPort), String(tlsPort)];
    const { ready, ask, stop } = await startChild<Ready>(moduleAt('ca-process.ts'), ...args);
    const orders = async () => Number(await ask('orders'));
    return { ...ready, description: 'the strict ACME server of @certbus/acme-server', httpPort, tlsPort, orders, stop };
  },
};
