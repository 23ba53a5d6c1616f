/** mandoc, which says what is wrong with a man page. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { debianPackageFolder, installDebianPackage } from './debian-packages.ts';
import { findProgram, hasProgram } from './machine.ts';

const VERSION = '1.14.6-1+b1';

/** Why this machine cannot have mandoc; `undefined` when it can. */
export function missingMandoc(): string | undefined {
  if (hasProgram('mandoc') || existsSync(debianPackageFolder('mandoc'))) return undefined;
  return hasProgram('apt-get') ? undefined : "mandoc is unpacked from Debian's package, which needs apt-get";
}

/** Finds or installs mandoc, and returns its program. */
export async function findMandoc(): Promise<string> {
  return findProgram('mandoc') ?? join(await installDebianPackage('mandoc', VERSION), 'usr', 'bin', 'mandoc');
}
