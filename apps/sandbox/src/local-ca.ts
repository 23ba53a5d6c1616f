/** Starts a CA and a DNS server on this machine, for the demo and the sandbox. */
import { writeFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { temporaryFolder } from 'certbus-services';
import { own } from './ca/own.ts';
import { pebble } from './ca/pebble.ts';
import type { CaKind, CaStart, RunningCa, RunningDns } from './ca/running.ts';

/** A CA and a DNS server on this machine, and the files that go with them. */
export interface LocalCa {
  readonly ca: RunningCa;
  readonly dns: RunningDns;
  /** A folder for files, removed at the end. */
  readonly folder: string;
  /** PEM file by which the CA's own address is trusted. */
  readonly rootsFile: string;
  /** PEM file of the root of what it issues. */
  readonly issuedRootsFile: string;
  /** Gives a name an address other than 127.0.0.1. */
  setAddress(name: string, address: string): Promise<void>;
  stop(): Promise<void>;
}

const KINDS = new Map<string, CaKind>([
  ['own', own],
  ['pebble', pebble],
]);

/** The CA that the command line asks for: `--ca own`, which is the default, or `--ca pebble`. Ends the program at any other. */
export function caFromArguments(): CaKind {
  const { values } = parseArgs({ options: { ca: { type: 'string', default: 'own' } } });
  const kind = KINDS.get(values.ca);
  if (kind) return kind;
  console.error(`There is no CA "${values.ca}". Choose one of: ${[...KINDS.keys()].join(', ')}.`);
  process.exit(2);
}

async function setRecord(url: string, path: string, body: object): Promise<void> {
  const response = await fetch(`${url}/${path}`, { method: 'POST', body: JSON.stringify(body) });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`the DNS server did not take ${path}: status ${response.status}`);
}

/** Starts a DNS server and a CA that asks it, and that validates HTTP-01 and TLS-ALPN-01 at these ports. */
export async function startLocalCa(
  { startDns, startCa }: CaKind,
  ports: Pick<CaStart, 'httpPort' | 'tlsPort'>,
): Promise<LocalCa> {
  const temporary = temporaryFolder();
  const dns = await startDns();
  try {
    const ca = await startCa({ dnsServer: dns.dns, ...ports });
    const rootsFile = join(temporary.path, 'ca-address.pem');
    const issuedRootsFile = join(temporary.path, 'ca-root.pem');
    writeFileSync(rootsFile, ca.roots);
    writeFileSync(issuedRootsFile, ca.issuedRoots);
    return {
      ca,
      dns,
      folder: temporary.path,
      rootsFile,
      issuedRootsFile,
      setAddress: (name, address) =>
        setRecord(dns.url, isIPv6(address) ? 'add-aaaa' : 'add-a', { host: `${name}.`, addresses: [address] }),
      async stop() {
        await ca.stop();
        await dns.stop();
        temporary.remove();
      },
    };
  } catch (error) {
    await dns.stop();
    temporary.remove();
    throw error;
  }
}

/** The flags of `certbus init` that fit a local CA. */
export function initFlags({ ca, dns, rootsFile }: LocalCa): string[] {
  const authority = ['--directory', ca.directory, '--roots', rootsFile, '--agree-tos'];
  const answers = ['--dns-provider', 'challtestsrv', '--dns-url', dns.url];
  const at = ['--http01-port', String(ca.httpPort), '--tls-alpn01-port', String(ca.tlsPort)];
  return [...authority, ...answers, ...at, '--resolver', dns.dns];
}
