/** Makes a site with a CA and DNS for transcripts, in a folder whose path is as long in each run. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { certbus } from '../cli.builders.ts';
import type { Site } from './transcript.builders.ts';

/** The same on each machine, since a longer path breaks lines elsewhere. */
const FOLDER = '/tmp/certbus-';

/** A folder for a site, in which nothing is. */
export const newFolder = (): string => mkdtempSync(FOLDER);

/** A site that `certbus init` made, with what its names are proved by. */
export interface StartedSite extends Site, AsyncDisposable {
  readonly dns: DnsServer;
  readonly ca: AcmeServer;
}

/** Starts a CA that never issues for `blocked.test`, and DNS; makes a site of the manager "manager1" there. */
export async function startSite(): Promise<StartedSite> {
  const folder = newFolder();
  const dns = await startDnsServer();
  const ca = await startAcmeServer({ blockedNames: ['blocked.test'], validation: { dnsServer: dns.address } });
  writeFileSync(join(folder, 'roots.pem'), ca.roots);
  const provider = ['--dns-provider', 'challtestsrv', '--dns-url', dns.url, '--resolver', dns.address];
  const at = ['--directory', ca.directory, '--roots', 'roots.pem', '--name', 'manager1'];
  const { status, stderr } = await certbus(folder, ['init', '--agree-tos', ...at, ...provider]);
  if (status !== 0) throw new Error(stderr);
  return {
    folder,
    known: new Map(),
    dns,
    ca,
    async [Symbol.asyncDispose]() {
      await Promise.all([ca, dns].map((each) => each[Symbol.asyncDispose]()));
      rmSync(folder, { recursive: true });
    },
  };
}
