/** Tests that the tools which install everything else are pinned themselves. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const read = (file: string) => readFileSync(join(import.meta.dirname, '../..', file), 'utf8');

test('pnpm is named with its hash, of the version that every command calls', () => {
  const { packageManager, scripts } = JSON.parse(read('package.json')) as {
    packageManager: string;
    scripts: Record<string, string>;
  };
  const [, version = ''] = /^pnpm@(\d+\.\d+\.\d+)\+sha512\.[0-9a-f]{128}$/.exec(packageManager) ?? [];
  const called = Object.values(scripts).flatMap((script) => /\bpnpm@(\S+)/.exec(script)?.[1] ?? []);
  expect(new Set(called)).toEqual(new Set([version]));
});

test('what was published in the last days is not resolved, and what is resolved is saved exactly', () => {
  const settings = read('pnpm-workspace.yaml');
  expect(Number(/^minimumReleaseAge: (\d+)$/m.exec(settings)?.[1])).toBeGreaterThanOrEqual(3 * 24 * 60);
  expect(settings).toMatch(/^saveExact: true$/m);
});
