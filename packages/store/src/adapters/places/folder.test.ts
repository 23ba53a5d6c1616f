import { mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { afterAll, describe, expect, test } from 'vitest';
import { openFolder } from './folder.ts';
import { describePlace } from './places.builders.ts';

const folder = temporaryFolder();
let places = 0;
const newRoot = () => {
  places += 1;
  return join(folder.path, String(places));
};
afterAll(() => folder.remove());

describe('an archive in a folder', () => {
  describePlace(async () => openFolder(newRoot()));

  test('leaves no unfinished file, and is not for everybody', async () => {
    const root = newRoot();
    await openFolder(root).put('a/b', Buffer.from('x'));
    expect(readdirSync(join(root, 'a'))).toEqual(['b']);
    expect(statSync(join(root, 'a', 'b')).mode & 0o007).toBe(0);
  });

  test('removes what writers left a day ago and more when they were killed, and nothing else', async () => {
    const root = newRoot();
    mkdirSync(join(root, 'a'), { recursive: true });
    const unfinished = () => `old.${crypto.randomUUID()}.new`;
    const [left, live] = [unfinished(), unfinished()];
    const kept = ['a', 'a.new', 'old.1234.new'];
    for (const name of [left, live, ...kept]) writeFileSync(join(root, 'a', name), '');
    const dayAgo = new Date(Date.now() - 90_000_000);
    for (const name of [left, ...kept]) utimesSync(join(root, 'a', name), dayAgo, dayAgo);
    await openFolder(root).put('a/b', Buffer.from('x'));
    expect(readdirSync(join(root, 'a')).sort()).toEqual([...kept, 'b', live].sort());
  });

  test('says what is wrong with its place', async () => {
    const root = newRoot();
    writeFileSync(root, 'a file');
    await expect(openFolder(root).put('a/b', Buffer.from('x'))).rejects.toMatchObject({
      code: 'CERTBUS_STORE_UNREACHABLE',
      message: expect.stringContaining(root),
    });
    const taken = newRoot();
    mkdirSync(join(taken, 'a', 'b'), { recursive: true });
    await expect(openFolder(taken).get('a/b')).rejects.toMatchObject({ code: 'CERTBUS_STORE_UNREACHABLE' });
  });
});
