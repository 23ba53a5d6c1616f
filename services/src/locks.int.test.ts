/** Tests that nothing is installed whose hash is not the one that `services/locks` pins. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { buildGoTools } from './go-programs.ts';
import { requirePart } from './index.ts';
import { checkHashes, lockOf } from './locks.ts';
import { temporaryFolder } from './machine.ts';
import { findMoto } from './moto.ts';
import { installPackages } from './npm-packages.ts';
import { run } from './process.ts';
import { pipArguments } from './python.ts';
import { checkInstalled, readWorkspaceLock } from './workspace-lock.ts';

function openFolder(): string {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  return path;
}

/** A copy of a lock with one character of a hash changed. */
function flipped(name: string, file: string, hash: RegExp): string {
  const copy = join(openFolder(), `flipped-${name}`);
  cpSync(lockOf(name).folder, copy, { recursive: true });
  const path = join(copy, file);
  const flip = (found: string) => `${found.slice(0, -1)}${found.endsWith('a') ? 'b' : 'a'}`;
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, text.replace(hash, flip));
  expect(readFileSync(path, 'utf8')).not.toBe(text);
  return copy;
}

test('a package of npm with another hash is not installed', async () => {
  const lock = flipped('esbuild', 'package-lock.json', /(?<="node_modules\/esbuild": \{[^}]*"integrity": ")sha512-\w/);
  await expect(installPackages(lock)).rejects.toThrow(
    /flipped-esbuild from npm could not be installed, and nothing of it is used: .*EINTEGRITY/s,
  );
});

test.each([
  'esbuild',
  'iam-simulate',
  'lambda-ric',
  'rollup',
  'webpack',
  'frameworks',
  'castore',
  'emmett',
  'node-24.21.0',
])('%s is pinned whole', (name) => {
  const { folder } = lockOf(name);
  const { packages } = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version?: string; integrity?: string; dependencies?: Record<string, string> }>;
  };
  const { '': root, ...others } = packages;
  for (const [path, { integrity }] of Object.entries(others)) expect(integrity, path).toMatch(/^sha512-/);
  for (const range of Object.values(root?.dependencies ?? {})) expect(range).toMatch(/^\d+\.\d+\.\d+$/);
});

describe.skipIf(requirePart('step-ca').skip)('Go', () => {
  test('does not build a module with another hash', async () => {
    const lock = flipped('pebble', 'go.sum', /(?<=pebble\/v2 v2\.10\.1 h1:)\w/);
    await expect(buildGoTools(lock)).rejects.toThrow(/pebble\/v2@v2\.10\.1: checksum mismatch/);
  });
});

describe.skipIf(requirePart('moto').skip)('pip', () => {
  test('does not take a file with another hash', async () => {
    const python = await findMoto();
    const [folder, list] = [openFolder(), join(openFolder(), 'requirements.txt')];
    writeFileSync(list, `xmltodict==1.0.4 --hash=sha256:${'0'.repeat(64)}\n`);
    const download = run(python, [...pipArguments('download', list), '--no-deps', '-d', folder]);
    await expect(download).rejects.toThrow(/DO NOT MATCH THE HASHES/);
  });
});

test('a file with another hash, and one that the list does not have, are named', () => {
  const folder = openFolder();
  const list = join(folder, 'packages.sha256');
  writeFileSync(join(folder, 'good.deb'), '');
  writeFileSync(join(folder, 'bad.deb'), 'other');
  const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
  writeFileSync(list, `${empty}  good.deb\n${empty}  bad.deb\n`);
  expect(() => checkHashes(folder, ['good.deb'], list)).not.toThrow();
  expect(() => checkHashes(folder, ['good.deb', 'bad.deb'], list)).toThrow(
    /^bad\.deb was downloaded with the SHA-256 d9298a10\w+, and packages\.sha256 of services\/locks pins e3b0c442/,
  );
  writeFileSync(join(folder, 'other.deb'), '');
  expect(() => checkHashes(folder, ['other.deb'], list)).toThrow(/pins none/);
});

test('what npm installed beside a packed package has to be in the lockfile of the workspace', () => {
  const folder = openFolder();
  mkdirSync(join(folder, 'node_modules'));
  const root = join(import.meta.dirname, '../..');
  const locked = readWorkspaceLock(root);
  const [one] = locked;
  if (!one) return expect.fail('the lockfile is empty');
  const write = (integrity: string) => {
    const packages = {
      [`node_modules/${one.name}`]: { version: one.version, integrity },
      'node_modules/x': { resolved: 'file:x.tgz' },
    };
    writeFileSync(join(folder, 'node_modules', '.package-lock.json'), JSON.stringify({ packages }));
  };
  write(one.integrity);
  checkInstalled(folder, locked);
  write('sha512-other');
  expect(() => checkInstalled(folder, locked)).toThrow(
    `npm installed ${one.name} ${one.version} with the hash sha512-other`,
  );
});
