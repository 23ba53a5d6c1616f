/** Tests of the licence texts in the bundle. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import { buildFiles } from './build.builders.ts';
import { licencesOf } from './licences.builders.ts';

const { path: folder, remove } = temporaryFolder();
afterAll(remove);

/** A package with one source, whose path is returned. */
function install(name: string, texts: Readonly<Record<string, string>>, license = 'MIT'): string {
  const home = join(folder, 'node_modules', name);
  mkdirSync(join(home, 'dist'), { recursive: true });
  writeFileSync(join(home, 'package.json'), JSON.stringify({ name, version: '1.2.3', license }));
  for (const [file, text] of Object.entries(texts)) writeFileSync(join(home, file), text);
  return join(home, 'dist', 'index.js');
}

test('each package is named once, by its licence and its notice, and one without a licence is refused', () => {
  const [one, two] = [install('one', { LICENSE: 'shared' }), install('@scope/two', { 'LICENCE.md': 'shared' })];
  const three = install('three', { 'LICENSE-MIT.txt': 'its own', NOTICE: 'with a notice' });
  const text = licencesOf([one, join(folder, 'own.js'), two, one, three]);
  expect(
    text
      .split(/^=+$/m)
      .map((section) => section.trim().replaceAll(/\n+/g, ' '))
      .slice(1),
  ).toEqual([
    `@scope/two 1.2.3 one 1.2.3 ${'-'.repeat(79)} shared`,
    `three 1.2.3 ${'-'.repeat(79)} its own with a notice`,
  ]);
  expect(licencesOf([install('four', {}, 'Apache-2.0')])).toMatch(/^four 1\.2\.3$[\s\S]*Apache License/m);
  expect(() => licencesOf([one, install('none', {})])).toThrow('none 1.2.3 is bundled and has no licence file');
});

test('the archive has the licences of what is bundled', async () => {
  const files = await buildFiles();
  const text = Buffer.from(files.find(({ name }) => name === 'THIRD-PARTY.txt')?.bytes ?? []).toString();
  const named = ['@aws-sdk/client-acm', '@aws-sdk/client-dynamodb', '@aws-sdk/client-s3', '@smithy/core', 'undici'];
  for (const name of named) expect(text).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+$`, 'm'));
  expect(text).toContain('Apache License');
  expect(text).toContain('Permission is hereby granted, free of charge');
  // Nothing of this repository is somebody else's.
  expect(text).not.toMatch(/^@?certbus/m);
});
