/** Pebble, built or taken from a package. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { unpackDebianPackage } from './debian-packages.ts';
import { installOnce } from './install.ts';
import { cacheFolder, hasProgram, isExecutable } from './machine.ts';
import { run } from './process.ts';

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
const GO_FOLDER = `pebble-go-${GO_VERSION}`;
const DEBIAN_FOLDER = 'pebble-debian';

async function installFromGo(folder: string): Promise<void> {
  const env = { GOBIN: folder, CGO_ENABLED: '0', GOFLAGS: '' };
  await run('go', ['install', `github.com/letsencrypt/pebble/v2/cmd/...@v${GO_VERSION}`], { env });
}

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
  if (hasProgram('go') || existsSync(cacheFolder(GO_FOLDER))) return 'go';
  return hasProgram('apt-get') || existsSync(cacheFolder(DEBIAN_FOLDER)) ? 'debian' : undefined;
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
      ? fromGo(await installOnce(GO_FOLDER, `Pebble ${GO_VERSION} from the Go module proxy`, installFromGo))
      : fromDebian(
          await installOnce(DEBIAN_FOLDER, "Debian's pebble package", (folder) =>
            unpackDebianPackage('pebble', folder),
          ),
        );
  if (!isExecutable(programs.pebble)) throw new Error(`${programs.pebble} is missing: remove its folder and try again`);
  return programs;
}
