import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test, vi } from 'vitest';
import { flushFolder, writeDurably } from './durable.ts';

const access = { uid: undefined, gid: undefined, secretMode: 0o600, publicMode: 0o644, folderMode: 0o700 };

test('a file is flushed before it has its name, and its name before anything else is done', async () => {
  const { path: folder, remove } = temporaryFolder();
  onTestFinished(remove);
  const steps: string[] = [];
  const own = fs.rename;
  const handle = await fs.open(folder);
  const sync = vi.spyOn(Object.getPrototypeOf(handle) as typeof handle, 'sync');
  await handle.close();
  sync.mockImplementation(async () => void steps.push('sync'));
  fs.rename = async (...args) => {
    steps.push('rename');
    return own(...args);
  };
  syncBuiltinESMExports();
  onTestFinished(() => {
    fs.rename = own;
    syncBuiltinESMExports();
    sync.mockRestore();
  });
  await writeDurably(join(folder, 'a.pem'), 'text', { access, isSecret: true });
  await flushFolder(folder);
  expect(steps).toEqual(['sync', 'rename', 'sync']);
});
