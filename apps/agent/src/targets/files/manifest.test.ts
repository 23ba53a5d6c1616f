import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '@certbus/events';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { createManifestReader, formatManifest, intactPart, MANIFEST, type Manifest, readManifest } from './manifest.ts';

/** A folder with a file a certificate, and its list. */
async function createFolder(contents: Readonly<Record<string, string>>) {
  const { path: folder, remove } = temporaryFolder();
  onTestFinished(remove);
  const entryOf = (name: string, content: string) => ({
    ...{ name, names: [name], notAfter: '2030-01-01T00:00:00.000Z', leafHash: sha256(Buffer.from(name)) },
    leafSha1: 'A'.repeat(40),
    files: { [name]: sha256(Buffer.from(content)) },
  });
  const entries = Object.entries(contents).map(([name, content]) => [name, entryOf(name, content)] as const);
  const manifest: Manifest = { version: 1, form: 'form', shared: {}, certificates: Object.fromEntries(entries) };
  for (const [name, content] of Object.entries(contents)) writeFileSync(join(folder, name), content);
  writeFileSync(join(folder, MANIFEST), formatManifest(manifest));
  return { folder, manifest };
}

test('files that are as they were written stay in the list, of any length', async () => {
  const contents = { empty: '', small: 'a', exact: 'b'.repeat(65_536), large: 'c'.repeat(200_000) };
  const { folder, manifest } = await createFolder(contents);
  expect(await intactPart(folder, await readManifest(folder), { form: 'form' })).toEqual(manifest);
});

test('what was written in another form stays in the list with that form, and loses it where it is the wanted one again', async () => {
  const { folder, manifest } = await createFolder({ a: 'a', b: 'b' });
  const other = await intactPart(
    folder,
    { ...manifest, shared: manifest.certificates['a']?.files ?? {} },
    { form: 'another' },
  );
  expect(other).toMatchObject({ form: 'another', shared: {} });
  expect(Object.values(other.certificates).map(({ form }) => form)).toEqual(['form', 'form']);
  expect(await intactPart(folder, other, { form: 'form' })).toEqual(manifest);
});

test('what was changed, removed, or became a folder or a pipe does not, and nothing waits for it', async () => {
  const { folder } = await createFolder({ changed: 'a', removed: 'a', folder: 'a', pipe: 'a', kept: 'a' });
  writeFileSync(join(folder, 'changed'), 'b');
  for (const name of ['removed', 'folder', 'pipe']) rmSync(join(folder, name));
  mkdirSync(join(folder, 'folder'));
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  const { certificates } = await intactPart(folder, await readManifest(folder), { form: 'form' });
  expect(Object.keys(certificates)).toEqual(['kept']);
});

test('a list that is not one is an empty one', async () => {
  const { folder } = await createFolder({ a: 'a' });
  for (const text of ['', '{', '{"version":1,"form":"form","shared":{},"certificates":{"a":{}}}']) {
    writeFileSync(join(folder, MANIFEST), text);
    expect((await readManifest(folder)).certificates).toEqual({});
  }
});

test('a list is parsed once, and not at all where it was written here; one that somebody changed is read again', async () => {
  const { folder, manifest } = await createFolder({ a: 'a' });
  const list = createManifestReader();
  const first = await list.read(folder);
  expect(await list.read(folder)).toBe(first);
  list.wrote(formatManifest(manifest), manifest);
  expect(await list.read(folder)).toBe(manifest);
  writeFileSync(join(folder, MANIFEST), formatManifest({ ...manifest, form: 'another form' }));
  expect(await list.read(folder)).toEqual({ ...manifest, form: 'another form' });
});
