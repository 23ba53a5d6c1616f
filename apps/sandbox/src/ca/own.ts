/** The sandbox's own CA and DNS server, as processes. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AcmeServerOptions, DnsServerOptions } from '@certbus/acme-server';
import { startChild } from './child.ts';
import type { CaKind, RunningCa, RunningDns } from './running.ts';

const moduleAt = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** The strict ACME server and the DNS server of `@certbus/acme-server`, each in a process of its own. They need Node alone. */
export const own: CaKind = {
  keepsState: true,
  async startDns(home) {
    type Ready = Pick<RunningDns, 'dns' | 'url'>;
    const options: DnsServerOptions = home ? { port: home.ports.dns, managementPort: home.ports.dnsManagement } : {};
    const { ready, stop } = await startChild<Ready>(moduleAt('dns-process.ts'), JSON.stringify(options));
    return { ...ready, stop };
  },
  async startCa({ dnsServer, httpPort, tlsPort, home }) {
    type Ready = Pick<RunningCa, 'directory' | 'roots' | 'issuedRoots'>;
    const options: AcmeServerOptions = {
      validation: { dnsServer, httpPort, tlsPort },
      ...(home ? { port: home.ports.acme, stateFolder: join(home.folder, 'ca') } : {}),
    };
    const { ready, ask, stop } = await startChild<Ready>(moduleAt('ca-process.ts'), JSON.stringify(options));
    const orders = async () => Number(await ask('orders'));
    return { ...ready, description: 'the strict ACME server of @certbus/acme-server', httpPort, tlsPort, orders, stop };
  },
};
