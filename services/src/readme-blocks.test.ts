import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, parse } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { run } from './process.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folders: string[] = [];

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Writes each TypeScript block of a document into a package, where its imports resolve as a user's would. */
function extract(document: string, home: string = dirname(document)): string[] {
  const folder = join(root, home, 'node_modules', '.cache', 'readme', parse(document).name);
  folders.push(folder);
  mkdirSync(folder, { recursive: true });
  const blocks = [...readFileSync(join(root, document), 'utf8').matchAll(/^```ts\n(.*?)^```/gms)];
  return blocks.map(([, code = ''], index) => {
    const file = join(folder, `block-${index + 1}.ts`);
    writeFileSync(file, `${code}\nexport {};\n`);
    return file;
  });
}

/** The package in which a guide's imports resolve. */
const guides = {
  'docs/client.md': 'packages/client',
  'docs/guides/proxies.md': 'packages/client',
  'docs/guides/test-against-an-acme-server.md': 'packages/acme-server',
  'docs/guides/use-the-acme-client.md': 'packages/solvers',
  'docs/guides/write-a-log-adapter.md': 'packages/client',
  'docs/guides/write-a-solver.md': 'packages/solvers',
};

test('every TypeScript block of a package README and of the guides to packages compiles', async () => {
  const readmes = globSync('{packages,apps}/*/README.md', { cwd: root }).flatMap((readme) => extract(readme));
  expect(readmes.length).toBeGreaterThanOrEqual(7);
  const files = [...readmes, ...Object.entries(guides).flatMap(([guide, home]) => extract(guide, home))];
  const ambient = globSync('packages/*/src/**/*.d.ts', { cwd: root }).map((file) => join(root, file));
  const folder = join(root, 'node_modules', '.cache', 'readme');
  folders.push(folder);
  mkdirSync(folder, { recursive: true });
  const project = join(folder, 'tsconfig.json');
  writeFileSync(
    project,
    JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      compilerOptions: { incremental: false, rootDir: root },
      include: [],
      files: [...ambient, ...files],
    }),
  );
  const output = await run(process.execPath, [
    join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
    '-p',
    project,
  ]).catch((error: Error) => error.message);
  expect(output).toBe('');
});
