/** The workspace's lockfile, to which an installation by npm is held. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A package of one version, its hash as registries have it, and the versions of what it depends on. */
export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  readonly integrity: string;
  readonly dependencies: Readonly<Record<string, string>>;
}

// Behind a version in parentheses are those of its peers.
const PACKAGE = /^ {2}'?((?:@[^@/\n]+\/)?[^@\n']+)@([^\n':(]+)'?:\n {4}resolution: \{integrity: ([^,}]+)/gm;
const SNAPSHOT = /^ {2}'?((?:@[^@/\n]+\/)?[^@\n']+@[^\n':(]+)(?:\([^\n]*)?'?:\n((?: {4}[^\n]*\n)+)/gm;
const DEPENDENCY = /^ {6}'?([^\n':]+)'?: ([^\n(]+)/gm;

/** Reads `pnpm-lock.yaml` of a folder. */
export function readWorkspaceLock(folder: string): readonly LockedPackage[] {
  const text = readFileSync(join(folder, 'pnpm-lock.yaml'), 'utf8');
  const [packages = '', snapshots = ''] = text.split('\nsnapshots:\n');
  const dependencies = new Map(
    [...snapshots.matchAll(SNAPSHOT)].map(([, key = '', body = '']) => [
      key,
      Object.fromEntries([...body.matchAll(DEPENDENCY)].map(([, name = '', version = '']) => [name, version])),
    ]),
  );
  return [...packages.matchAll(PACKAGE)].map(([, name = '', version = '', integrity = '']) => {
    return { name, version, integrity, dependencies: dependencies.get(`${name}@${version}`) ?? {} };
  });
}

/** The `overrides` of a `package.json` that make npm take these versions: of what has several, the one that each dependent was locked with. */
export function overridesOf(locked: readonly LockedPackage[]): Readonly<Record<string, object>> {
  const versions = Map.groupBy(locked, ({ name }) => name);
  const isSingle = (name: string) => versions.get(name)?.length === 1;
  const rules = locked.map(({ name, version, dependencies }) => {
    const several = Object.entries(dependencies).filter(([each]) => versions.has(each) && !isSingle(each));
    const own = isSingle(name) ? { '.': version } : {};
    return [isSingle(name) ? name : `${name}@${version}`, { ...own, ...Object.fromEntries(several) }] as const;
  });
  return Object.fromEntries(rules.filter(([, rule]) => Object.keys(rule).length > 0));
}

interface InstalledPackages {
  readonly packages: Readonly<
    Record<string, { readonly version?: string; readonly integrity?: string; readonly resolved?: string }>
  >;
}

/** Throws where npm installed something into a folder that is not in the lockfile with the same hash. Packed files of our own have no entry. */
export function checkInstalled(folder: string, locked: readonly LockedPackage[]): void {
  const file = join(folder, 'node_modules', '.package-lock.json');
  const { packages } = JSON.parse(readFileSync(file, 'utf8')) as InstalledPackages;
  for (const [path, { version, integrity, resolved = '' }] of Object.entries(packages)) {
    if (resolved.startsWith('file:')) continue;
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    if (locked.some((each) => each.name === name && each.version === version && each.integrity === integrity)) continue;
    throw new Error(`npm installed ${name} ${version} with the hash ${integrity}, which pnpm-lock.yaml does not have. None of it was run.
Add that version to the workspace, or look into who changed the package.`);
  }
}
