import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ChallTestSrv, type Pebble, startChallTestSrv, startPebble, temporaryFolder } from 'certbus-testing';

/** A CA and a DNS server on this machine, and the files that go with them. */
export interface LocalCa {
  readonly ca: Pebble;
  readonly dns: ChallTestSrv;
  /** A folder for files, removed at the end. */
  readonly folder: string;
  /** PEM file by which the CA's own address is trusted. */
  readonly rootsFile: string;
  /** PEM file of the root of what it issues. */
  readonly issuedRootsFile: string;
  stop(): Promise<void>;
}

/** What is said of the CA that runs. */
export function describeCa({ origin, version }: Pebble): string {
  return origin === 'go'
    ? `Pebble ${version}, built from its Go module`
    : `Pebble ${version}, Debian's package (this machine has no Go)`;
}

/** Starts a DNS server and a CA that asks it, validating HTTP-01 at `httpPort`. */
export async function startLocalCa(httpPort: number): Promise<LocalCa> {
  const temporary = temporaryFolder();
  const dns = await startChallTestSrv();
  try {
    const ca = await startPebble({ dnsServer: dns.dns, httpPort });
    const rootsFile = join(temporary.path, 'ca-address.pem');
    const issuedRootsFile = join(temporary.path, 'ca-root.pem');
    writeFileSync(rootsFile, ca.roots);
    writeFileSync(issuedRootsFile, await ca.issuedRoots());
    const stop = async () => {
      await ca.stop();
      await dns.stop();
      temporary.remove();
    };
    return { ca, dns, folder: temporary.path, rootsFile, issuedRootsFile, stop };
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
  const ports = ['--http01-port', String(ca.httpPort), '--tls-alpn01-port', String(ca.tlsPort)];
  return [...authority, ...answers, ...ports, '--resolver', dns.dns];
}
