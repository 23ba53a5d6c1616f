/** Reads a repository into one plain object, so that every rule is a function of it. */
import { globSync, readFileSync } from 'node:fs';
import { basename, join, posix } from 'node:path';
import { type GlobalUse, type ImportClause, readReferences } from './imports.ts';

/** An import of a file, with the file of this repository that it means. */
export interface Import extends ImportClause {
  /** Path from the repository's root; `undefined` for what others publish. */
  readonly target: string | undefined;
}

/** One TypeScript file. */
export interface SourceFile {
  /** Path from the repository's root, with slashes. */
  readonly path: string;
  /** The package or app that it belongs to, such as `packages/store`; `undefined` outside of all. */
  readonly home: string | undefined;
  readonly text: string;
  readonly lines: number;
  readonly imports: readonly Import[];
  readonly globals: readonly GlobalUse[];
}

/** What one subpath of a package means: a file, or files by condition. */
export type Entry = string | Readonly<Record<string, string>>;

type Exports = Readonly<Record<string, Entry>>;

/** The fields of a package.json that rules look at. */
export interface Manifest {
  readonly name: string;
  readonly description?: string;
  readonly private?: boolean;
  readonly exports?: Exports;
  readonly publishConfig?: { readonly exports?: Exports };
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** A repository as the rules see it. All paths begin at its root and are written with slashes. */
export interface Tree {
  readonly files: ReadonlyMap<string, SourceFile>;
  /** The workspace's packages and apps by folder. */
  readonly packages: ReadonlyMap<string, Manifest>;
  /** The text of every Markdown document and every picture in SVG. */
  readonly documents: ReadonlyMap<string, string>;
  /** Every file and folder. */
  readonly paths: ReadonlySet<string>;
}

const WORKSPACE = /^(?:(?:packages|apps)\/[^/]+|services|benchmarks)(?=\/package\.json$)/;

/** Reads the repository in a folder. Throws `SyntaxError` where a file does not parse. */
export function readTree(root: string): Tree {
  const text = (path: string) => readFileSync(join(root, path), 'utf8');
  const paths = globSync(['**', '.*', '.*/**'], { cwd: root, exclude: (path) => isOutside(basename(path)) })
    .filter((path) => path !== '.')
    .map((path) => path.replaceAll('\\', '/'))
    .sort();
  const packages = new Map(
    paths.flatMap((path) => {
      const [home] = WORKSPACE.exec(path) ?? [];
      return home ? [[home, JSON.parse(text(path)) as Manifest] as const] : [];
    }),
  );
  const entries = entriesOf(packages);
  const files = paths
    .filter((path) => path.endsWith('.ts'))
    .map((path) => readSource(path, text(path), { homes: [...packages.keys()], entries }));
  return {
    files: new Map(files.map((file) => [file.path, file])),
    packages,
    documents: new Map(paths.filter((path) => /\.(?:md|svg)$/.test(path)).map((path) => [path, text(path)])),
    paths: new Set(paths),
  };
}

/** Whether a folder of this name holds what was made or fetched, and does not belong to the repository. */
export const isOutside = (name: string): boolean => /^(?:\.git|\.turbo|coverage|dist|my-bus|node_modules)$/.test(name);

/** Whether a path is a test, a type test, or what tests share. */
export const isTest = (path: string): boolean => /\.(?:test|test-d|builders)\.ts$/.test(path);

/** Whether a path is a source of a package or app: what is published or run, not a test. */
export const isSource = (path: string): boolean =>
  /^(?:packages|apps)\/[^/]+\/src\//.test(path) && path.endsWith('.ts') && !isTest(path);

/** The file that each export of the workspace's packages means at development time, by specifier. */
function entriesOf(packages: ReadonlyMap<string, Manifest>): ReadonlyMap<string, string> {
  return new Map(
    [...packages].flatMap(([folder, { name, exports = {} }]) =>
      Object.entries(exports).flatMap(([subpath, conditions]) => {
        const file = typeof conditions === 'string' ? conditions : conditions['certbus:source'];
        return file === undefined ? [] : [[posix.join(name, subpath), posix.join(folder, file)] as const];
      }),
    ),
  );
}

function readSource(
  path: string,
  text: string,
  { homes, entries }: { homes: readonly string[]; entries: ReadonlyMap<string, string> },
): SourceFile {
  const { imports, globals } = readReferences(path, text);
  const targetOf = (specifier: string) =>
    specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : entries.get(specifier);
  return {
    path,
    home: homes.find((home) => path.startsWith(`${home}/`)),
    text,
    lines: text.split('\n').length - 1,
    imports: imports.map((clause) => ({ ...clause, target: targetOf(clause.specifier) })),
    globals,
  };
}
