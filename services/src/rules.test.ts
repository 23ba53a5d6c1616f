import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const biome = join(root, 'node_modules', '.bin', 'biome');

/** What the linter says of a file with this code, which is there for as long as the linter reads it. */
function lint(path: string, code: string): { status: number | null; said: string } {
  const file = join(root, path);
  writeFileSync(file, code, { flag: 'wx' });
  try {
    const { status, stdout, stderr } = spawnSync(biome, ['lint', '--error-on-warnings', path], {
      cwd: root,
      encoding: 'utf8',
    });
    return { status, said: stdout + stderr };
  } finally {
    rmSync(file);
  }
}

test.each([
  [
    'a pure file that reads a file',
    'packages/events/src/seeded-violation.ts',
    "import { readFileSync } from 'node:fs';\nexport const read = readFileSync;\n",
    /adapters/,
  ],
  [
    'a pure file that opens a database',
    'packages/store/src/seeded-violation.ts',
    "import { DatabaseSync } from 'node:sqlite';\nexport const Database = DatabaseSync;\n",
    /adapters/,
  ],
  [
    'a source that imports a test',
    'packages/store/src/seeded-violation.ts',
    "import { x } from './bus.builders.ts';\nexport const y = x;\n",
    /never import tests/,
  ],
  [
    'an adapter that imports a test',
    'packages/store/src/adapters/seeded-violation.ts',
    "import { x } from '../transact.test.ts';\nexport const y = x;\n",
    /never import tests/,
  ],
])('the linter refuses %s', (_, path, code, reason) => {
  const { status, said } = lint(path, code);
  expect(said).toMatch(reason);
  expect(status).not.toBe(0);
});

test.each([
  [
    'an adapter that reads a file',
    'packages/store/src/adapters/seeded-violation.ts',
    "import { readFileSync } from 'node:fs';\nexport const read = readFileSync;\n",
  ],
  [
    'a test that imports a builder',
    'packages/store/src/seeded-violation.test.ts',
    "import { x } from './bus.builders.ts';\nexport const y = x;\n",
  ],
])('the linter accepts %s', (_, path, code) => {
  expect(lint(path, code)).toMatchObject({ status: 0 });
});
