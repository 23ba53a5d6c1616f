import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));
const COMPILER = join(PACKAGE, 'node_modules/typescript/bin/tsc');
const folder = mkdtempSync(join(tmpdir(), 'certbus-surface-'));

/** One file of declarations: the types that it declares, and where those that it imports or hands on come from. */
interface Module {
  readonly declared: ReadonlyMap<string, string>;
  readonly origins: ReadonlyMap<string, { readonly file: string; readonly name: string }>;
}

const modules = new Map<string, Module>();

function readModule(file: string): Module {
  const known = modules.get(file);
  if (known) return known;
  const text = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const declared = new Map<string, string>();
  const origins = new Map<string, { file: string; name: string }>();
  // The compiler indents all but the beginnings and the ends of statements.
  for (const statement of text.split(/^(?=(?:export|declare|import|interface|type)\b)/m)) {
    const [, list = '', from] = /^(?:import|export)(?: type)? \{([^}]*)\} from '(\.[^']+)'/.exec(statement) ?? [];
    for (const [, name = '', alias = name] of list.matchAll(/(?:type )?(\w+)(?: as (\w+))?,?/g)) {
      if (from) origins.set(alias, { file: join(dirname(file), from.replace(/\.[jt]s$/, '.d.ts')), name });
    }
    const [, name] = /^(?:export )?(?:declare )?(?:interface|type|class) (\w+)/.exec(statement) ?? [];
    if (name) declared.set(name, statement);
    const [, value] = /^export declare (?:const|function) (\w+)/.exec(statement) ?? [];
    if (value) declared.set(value, statement);
  }
  const read = { declared, origins };
  modules.set(file, read);
  return read;
}

/** All that a name's declaration mentions, and what that mentions in turn, as `FILE NAME`. */
function reach(file: string, name: string, seen: Set<string>): void {
  const { declared, origins } = readModule(file);
  const statement = declared.get(name);
  if (statement === undefined) {
    const origin = origins.get(name);
    if (origin) reach(origin.file, origin.name, seen);
    return;
  }
  const key = `${file} ${name}`;
  if (seen.has(key)) return;
  seen.add(key);
  for (const [word] of statement.replace(/'[^']*'/g, '').matchAll(/\b[A-Z]\w*/g)) reach(file, word, seen);
}

beforeAll(async () => {
  const options = ['--emitDeclarationOnly', '--declarationMap', 'false', '--outDir', folder];
  const args = [COMPILER, '-p', 'tsconfig.build.json', ...options, '--tsBuildInfoFile', join(folder, 'build.json')];
  await promisify(execFile)(process.execPath, args, { cwd: PACKAGE });
});
afterAll(() => rmSync(folder, { recursive: true }));

test.each(['index.d.ts', 'solver/solver-kit.d.ts'])('%s shows no type that users cannot name', (entry) => {
  const index = readModule(join(folder, 'index.d.ts'));
  const named = new Set([...index.origins.values()].map(({ file, name }) => `${file} ${name}`));
  const { origins } = readModule(join(folder, entry));
  for (const { file, name } of origins.values()) named.add(`${file} ${name}`);
  const seen = new Set<string>();
  for (const name of origins.keys()) reach(join(folder, entry), name, seen);
  expect(seen.size).toBeGreaterThan(5);
  expect([...seen].filter((each) => !named.has(each)).map((each) => each.slice(folder.length + 1))).toEqual([]);
});

test('a CA shows its directory and how to close it, and nothing else', () => {
  const acme = readModule(join(folder, 'acme.d.ts')).declared.get('Acme') ?? '';
  const members = [...acme.matchAll(/^ {4}(?:readonly )?([a-z]+)[:(]/gm)].map(([, member]) => member);
  expect(members).toEqual(['directory', 'close']);
});
