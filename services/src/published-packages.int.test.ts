/** Packs every package as it is published, and compares what is in it with what users must find there. Nothing is published. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from './machine.ts';
import { runPnpm } from './packed-packages.ts';
import { requirePart } from './parts.ts';
import { run } from './process.ts';
import { judgeUnits } from './systemd.ts';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly description?: string;
  readonly license?: string;
  readonly homepage?: string;
  readonly bugs?: string;
  readonly repository?: { readonly type: string; readonly url: string; readonly directory?: string };
  readonly bin?: Readonly<Record<string, string>>;
  readonly directories?: { readonly man?: string };
  readonly exports?: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): Manifest => JSON.parse(readFileSync(join(ROOT, path), 'utf8'));
const MANIFESTS = globSync('{packages,apps}/*/package.json', { cwd: ROOT }).sort();
const FOLDERS = MANIFESTS.filter((path) => !read(path).private)
  .map((path) => dirname(path))
  .sort();
/** Versions of our own packages that are published, by name: those that a package can depend on. */
const versions = new Map(
  FOLDERS.map((folder) => read(`${folder}/package.json`)).map((each) => [each.name, each.version]),
);
const workspace = read('package.json');

/** Files and folders of a package that are not compiled from its sources. */
const BESIDE: Readonly<Record<string, readonly string[]>> = {
  'apps/agent': ['bin/prepare.js', 'bin/run.js', 'nginx', 'oclif.manifest.json', 'systemd'],
  'apps/lambda': ['dist/lambda.zip'],
  'apps/cli': [
    'bin/prepare.js',
    'bin/run.js',
    'cron',
    'man',
    'oclif.manifest.json',
    'prometheus/certbus.rules.yml',
    'systemd',
  ],
};
/** Packages that are programs: without sources and types. */
const PROGRAMS = ['apps/agent', 'apps/cli'];

/** All files of a folder of the repository, or the file itself. */
const filesAt = (path: string): string[] =>
  globSync([path, `${path}/**/*`], { cwd: ROOT, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length));

/** What must be in a package: its manifest and texts, what its sources compile to, and, of a library, the sources. */
function expectedFiles(folder: string): string[] {
  const sources = filesAt(`${folder}/src`).filter((file) => !/\.(?:test|test-d|builders)\.ts$/.test(file));
  const code = sources.filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'));
  const isProgram = PROGRAMS.includes(folder);
  const compiled = (file: string, extension: string) => file.replace('/src/', '/dist/').replace(/\.ts$/, extension);
  const endings = isProgram ? ['.js'] : ['.js', '.js.map', '.d.ts', '.d.ts.map'];
  const all = [
    ...['LICENSE', 'README.md', 'package.json'].map((name) => `${folder}/${name}`),
    ...(isProgram ? [] : sources),
    ...code.flatMap((file) => endings.map((ending) => compiled(file, ending))),
    ...(BESIDE[folder] ?? []).flatMap((path) => filesAt(`${folder}/${path}`)),
  ];
  return all.map((file) => file.slice(folder.length + 1)).sort();
}

const temporary = temporaryFolder();
/** What was packed, by the folder of the package. */
const packed = new Map<string, { readonly files: readonly string[]; readonly manifest: Manifest }>();

beforeAll(async () => {
  await runPnpm([
    ...FOLDERS.map((folder) => `--filter-prod=./${folder}`),
    'pack',
    '--pack-destination',
    temporary.path,
  ]);
  for (const archive of readdirSync(temporary.path)) {
    const tar = (...args: string[]) => execFileSync('tar', args, { cwd: temporary.path, encoding: 'utf8' });
    const files = tar('tzf', archive).trim().split('\n');
    const manifest: Manifest = JSON.parse(tar('xzOf', archive, 'package/package.json'));
    const folder = manifest.repository?.directory ?? archive;
    packed.set(folder, { files: files.map((file) => file.replace('package/', '')).sort(), manifest });
  }
  return () => temporary.remove();
});

describe.each(FOLDERS)('%s, packed', (folder) => {
  const inside = () => packed.get(folder) ?? expect.fail(`${folder} was not packed, or names another directory`);

  test('has what its sources compile to, and nothing else', () => {
    expect(inside().files).toEqual(expectedFiles(folder));
  });

  test('says where it comes from, and needs exactly what it was tested with', () => {
    const {
      name,
      license,
      homepage,
      bugs,
      repository,
      description,
      dependencies = {},
      ...manifest
    } = inside().manifest;
    expect({ license, homepage, bugs, repository }).toEqual({
      license: workspace.license,
      homepage: workspace.homepage?.replace('#readme', `/tree/main/${folder}#readme`),
      bugs: workspace.bugs,
      repository: { ...workspace.repository, directory: folder },
    });
    expect(description).toMatch(/^\S.{10,}$/);
    const source = read(`${folder}/package.json`);
    const expected = Object.entries(source.dependencies ?? {}).map(([each, range]) => {
      const own = versions.get(each);
      return [each, own === undefined ? range : `^${own}`];
    });
    expect(dependencies).toEqual(Object.fromEntries(expected));
    for (const [each, range] of expected) if (!versions.has(each ?? '')) expect(range).toMatch(/^\d+\.\d+\.\d+$/);
    expect(JSON.stringify(manifest.exports ?? {}), name).not.toContain('certbus:source');
  });

  test('has every file that its manifest names', () => {
    const { files, manifest } = inside();
    const named = [manifest.bin, manifest.exports].flatMap(
      (part) => JSON.stringify(part ?? {}).match(/\.\/[^"]+/g) ?? [],
    );
    const subpaths = Object.keys(manifest.exports ?? {});
    const missing = named.filter((path) => !subpaths.includes(path) && !files.includes(path.slice(2)));
    expect(missing).toEqual([]);
  });
});

describe.each(PROGRAMS)('%s', (folder) => {
  test('knows its commands without loading them', () => {
    const sources = filesAt(`${folder}/src/commands`).filter((file) => !/\.(?:test|builders)\.ts$/.test(file));
    const ids = sources.map((file) => file.slice(`${folder}/src/commands/`.length, -'.ts'.length).replaceAll('/', ':'));
    const { commands } = JSON.parse(readFileSync(join(ROOT, folder, 'oclif.manifest.json'), 'utf8'));
    expect(Object.keys(commands).sort()).toEqual(ids.sort());
    // oclif loads a command alone only where it is told its file.
    for (const id of ids) expect(existsSync(join(ROOT, folder, ...commands[id].relativePath)), id).toBe(true);
  });
});

test('a release gives every package a version and a changelog, and none of them a package that stays', async () => {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  for (const file of [
    'package.json',
    'pnpm-workspace.yaml',
    '.changeset',
    ...globSync('{packages/*,apps/*,services,benchmarks}/package.json', { cwd: ROOT }),
  ]) {
    mkdirSync(dirname(join(path, file)), { recursive: true });
    cpSync(join(ROOT, file), join(path, file), { recursive: true });
  }
  await run(process.execPath, [join(ROOT, 'node_modules/@changesets/cli/bin.js'), 'version'], { cwd: path });
  const released = globSync('{packages,apps}/*/CHANGELOG.md', { cwd: path }).map((file) => dirname(file));
  expect(released.sort()).toEqual(FOLDERS);
  for (const folder of FOLDERS) {
    const { version }: Manifest = JSON.parse(readFileSync(join(path, folder, 'package.json'), 'utf8'));
    expect(readFileSync(join(path, folder, 'CHANGELOG.md'), 'utf8')).toContain(`## ${version}\n`);
    expect(version).not.toBe(versions.get(read(`${folder}/package.json`).name));
  }
});

const systemd = requirePart('systemd');
test.skipIf(systemd.skip)(systemd.title('systemd has nothing to say about the units that packages bring'), async () => {
  const units = globSync('apps/*/systemd/*.{service,timer}', { cwd: ROOT }).map((file) => join(ROOT, file));
  expect(units.length).toBeGreaterThanOrEqual(5);
  expect(await judgeUnits(units)).toEqual([]);
});
