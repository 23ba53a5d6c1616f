/** Pebble, built or taken from a package. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { debianPackageFolder, installDebianPackage } from './debian-packages.ts';
import { buildGoTools } from './go-programs.ts';
import { lockOf } from './locks.ts';
import { cacheFolder, hasProgram, isExecutable } from './machine.ts';

/** Where Pebble came from: built from its Go module, or Debian's package. */
export type PebbleOrigin = 'go' | 'debian';

/** The two programs, ready to be started. */
export interface PebblePrograms {
  readonly origin: PebbleOrigin;
  readonly version: string;
  readonly pebble: string;
  readonly challtestsrv: string;
}

const GO_VERSION = '2.10.1';
const DEBIAN_VERSION = '2.4.0+ds1-2+b4';
const LOCK = 'pebble';

function fromGo(folder: string): PebblePrograms {
  return {
    origin: 'go',
    version: GO_VERSION,
    pebble: join(folder, 'pebble'),
    challtestsrv: join(folder, 'pebble-challtestsrv'),
  };
}

function fromDebian(folder: string): PebblePrograms {
  const bin = join(folder, 'usr', 'bin');
  return {
    origin: 'debian',
    version: '2.4.0',
    pebble: join(bin, 'pebble'),
    challtestsrv: join(bin, 'pebble-challtestsrv'),
  };
}

/** Which way this machine takes; `CERTBUS_DEV_PEBBLE=go` or `debian` forces one. */
function originHere(): PebbleOrigin | undefined {
  const forced = process.env['CERTBUS_DEV_PEBBLE'];
  if (forced === 'go' || forced === 'debian') return forced;
  if (hasProgram('go') || existsSync(cacheFolder(lockOf(LOCK).cacheName))) return 'go';
  return hasProgram('apt-get') || existsSync(debianPackageFolder('pebble')) ? 'debian' : undefined;
}

/** Why this machine cannot have Pebble; `undefined` when it can. */
export function missingPebble(): string | undefined {
  return originHere() ? undefined : 'Pebble needs Go, or apt-get of a Debian';
}

/** Finds or installs Pebble and its test server. */
export async function findPebble(): Promise<PebblePrograms> {
  const origin = originHere();
  if (!origin) throw new Error(missingPebble());
  const programs =
    origin === 'go'
      ? fromGo(await buildGoTools(LOCK))
      : fromDebian(await installDebianPackage('pebble', DEBIAN_VERSION));
  if (!isExecutable(programs.pebble)) throw new Error(`${programs.pebble} is missing: remove its folder and try again`);
  return programs;
}
