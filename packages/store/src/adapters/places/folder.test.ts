import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
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
