/** Pebble's DNS server for tests. */
import { Resolver } from 'node:dns/promises';
import { freePort } from './machine.ts';
import { findPebble } from './pebble-programs.ts';
import { startService, withFreePorts } from './process.ts';

/** A DNS server whose answers a test sets; every A record that nobody set is 127.0.0.1. */
export interface ChallTestSrv {
  /** `ADDRESS:PORT` that answers DNS. */
  readonly dns: string;
  /** Where records are set. */
  readonly url: string;
  setAddresses(name: string, addresses: readonly string[]): Promise<void>;
  readonly pid: number;
  stop(): Promise<void>;
}

interface ChallTestSrvOptions {
  readonly httpPort?: number;
}

/** Starts pebble-challtestsrv as a DNS server, and with `httpPort` as one that answers HTTP-01 there too. */
export function startChallTestSrv(options: ChallTestSrvOptions = {}): Promise<ChallTestSrv> {
  return withFreePorts(() => start(options));
}

async function start({ httpPort }: ChallTestSrvOptions): Promise<ChallTestSrv> {
  const { challtestsrv, origin } = await findPebble();
  const port = await freePort();
  const management = await freePort();
  const dns = `127.0.0.1:${port}`;
  const url = `http://127.0.0.1:${management}`;
  // Debian's older one calls the DNS flag by another name and knows no DNS over HTTPS.
  const dnsFlags = origin === 'go' ? ['-dnsserver', dns, '-doh', ''] : ['-dns01', dns];
  const args = [
    '-management',
    `127.0.0.1:${management}`,
    '-defaultIPv6',
    '',
    '-http01',
    httpPort === undefined ? '' : `127.0.0.1:${httpPort}`,
    '-https01',
    '',
    '-tlsalpn01',
    '',
    ...dnsFlags,
  ];
  const resolver = new Resolver({ timeout: 500, tries: 1 });
  resolver.setServers([dns]);
  const service = await startService(challtestsrv, args, {
    isReady: async () =>
      (await resolver.resolve4('ready.test')).includes('127.0.0.1') && (await post(url, 'clear-a', { host: 'x.' })),
  });
  return {
    dns,
    url,
    async setAddresses(name, addresses) {
      if (!(await post(url, 'add-a', { host: `${name}.`, addresses })))
        throw new Error(`the addresses of ${name} were not set`);
    },
    pid: service.pid,
    stop: service.stop,
  };
}

async function post(url: string, path: string, body: object): Promise<boolean> {
  const response = await fetch(`${url}/${path}`, { method: 'POST', body: JSON.stringify(body) });
  await response.body?.cancel();
  return response.ok;
}
