/** Starts a CA and a DNS server on this machine, for the demo and the sandbox. */
import { writeFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import type { CaKind, CaStart, RunningCa, RunningDns } from './ca/running.ts';

/** A CA and a DNS server on this machine, and the files that go with them. */
export interface LocalCa {
  readonly ca: RunningCa;
  readonly dns: RunningDns;
  /** A folder for files: the home, or one that is removed at the end. */
  readonly folder: string;
  /** PEM file by which the CA's own address is trusted. */
  readonly rootsFile: string;
  /** PEM file of the root of what it issues. */
  readonly issuedRootsFile: string;
  /** Gives a name an address other than 127.0.0.1. */
  setAddress(name: string, address: string): Promise<void>;
  stop(): Promise<void>;
}

async function setRecord(url: string, path: string, body: object): Promise<void> {
  const response = await fetch(`${url}/${path}`, { method: 'POST', body: JSON.stringify(body) });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`the DNS server did not take ${path}: status ${response.status}`);
}

/** Where files go when nothing is kept. */
function openFolder(home: LocalCaOptions['home']): { readonly path: string; remove(): void } {
  return home ? { path: home.folder, remove() {} } : temporaryFolder();
}

/** How a local CA is started. */
export type LocalCaOptions = Pick<CaStart, 'httpPort' | 'tlsPort' | 'home'>;

/** Starts a DNS server and a CA that asks it, and that validates HTTP-01 and TLS-ALPN-01 at these ports. */
export async function startLocalCa(
  { startDns, startCa }: CaKind,
  { home, ...ports }: LocalCaOptions,
): Promise<LocalCa> {
  const folder = openFolder(home);
  const dns = await startDns(home);
  try {
    const ca = await startCa({ dnsServer: dns.dns, ...ports, home });
    const rootsFile = join(folder.path, 'ca-address.pem');
    const issuedRootsFile = join(folder.path, 'ca-root.pem');
    writeFileSync(rootsFile, ca.roots);
    writeFileSync(issuedRootsFile, ca.issuedRoots);
    return {
      ca,
      dns,
      folder: folder.path,
      rootsFile,
      issuedRootsFile,
      setAddress: (name, address) =>
        setRecord(dns.url, isIPv6(address) ? 'add-aaaa' : 'add-a', { host: `${name}.`, addresses: [address] }),
      async stop() {
        await ca.stop();
        await dns.stop();
        folder.remove();
      },
    };
  } catch (error) {
    await dns.stop();
    folder.remove();
    throw error;
  }
}

/** The flags of `certbus init` that fit a local CA. */
export function initFlags({ ca, dns, rootsFile }: LocalCa): string[] {
  const authority = ['--directory', ca.directory, '--roots', rootsFile, '--agree-tos', '--yes'];
  const answers = ['--dns-provider', 'challtestsrv', '--dns-url', dns.url];
  const at = ['--http01-port', String(ca.httpPort), '--tls-alpn01-port', String(ca.tlsPort)];
  return [...authority, ...answers, ...at, '--resolver', dns.dns];
}
