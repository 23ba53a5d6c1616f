/** ACME clients that others wrote, as Debian has them: certbot, lego, Caddy. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { debianPackageFolder, installDebianPackages } from './debian-packages.ts';
import { hasProgram } from './machine.ts';

/** A program of such a client, and the environment that it needs. */
export interface AcmeClient {
  readonly command: string;
  /** Before the arguments of a call. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** certbot, and what it imports that a bare Python lacks. */
const CERTBOT = {
  certbot: '2.1.0-4',
  'python3-acme': '2.1.0-1',
  'python3-certbot': '2.1.0-4',
  'python3-certifi': '2022.9.24-1',
  'python3-cffi-backend': '1.15.1-5+b1',
  'python3-chardet': '5.1.0+dfsg-2',
  'python3-charset-normalizer': '3.0.1-2',
  'python3-configargparse': '1.5.3-1',
  'python3-configobj': '5.0.8-1',
  'python3-cryptography': '38.0.4-3+deb12u1',
  'python3-distro': '1.8.0-1',
  'python3-idna': '3.3-1+deb12u1',
  'python3-josepy': '1.13.0-1',
  'python3-openssl': '23.0.0-1',
  'python3-parsedatetime': '2.6-3',
  'python3-pkg-resources': '66.1.1-1+deb12u2',
  'python3-requests': '2.28.1+dfsg-1',
  'python3-rfc3339': '1.1-4',
  'python3-six': '1.16.0-4',
  'python3-tz': '2022.7.1-4',
  'python3-urllib3': '1.26.12-1+deb12u4',
} as const;
const CADDY = { caddy: '2.6.2-5' } as const;
const LEGO = { lego: '4.9.1-1' } as const;

/** Debian's own Python, which the extensions in its packages are built for. */
const PYTHON = '/usr/bin/python3.11';

function missing(name: string): string | undefined {
  if (existsSync(debianPackageFolder(name))) return undefined;
  return hasProgram('apt-get') ? undefined : `${name} is unpacked from Debian's package, which needs apt-get`;
}

/** Why this machine cannot have certbot, lego and Caddy; `undefined` when it can. */
export const missingAcmeClients = (): string | undefined =>
  (existsSync(PYTHON) ? undefined : `Debian's certbot needs ${PYTHON}`) ??
  missing('certbot') ??
  missing('lego') ??
  missing('caddy');

/** Finds or installs certbot. */
export async function findCertbot(): Promise<AcmeClient> {
  const root = join(await installDebianPackages('certbot', CERTBOT), 'usr');
  const env = { PYTHONPATH: join(root, 'lib', 'python3', 'dist-packages') };
  return { command: PYTHON, args: [join(root, 'bin', 'certbot')], env };
}

/** Finds or installs lego. */
export async function findLego(): Promise<AcmeClient> {
  const folder = await installDebianPackages('lego', LEGO);
  return { command: join(folder, 'usr', 'bin', 'lego'), args: [], env: {} };
}

/** Finds or installs Caddy. */
export async function findCaddy(): Promise<AcmeClient> {
  const folder = await installDebianPackages('caddy', CADDY);
  return { command: join(folder, 'usr', 'bin', 'caddy'), args: [], env: {} };
}
