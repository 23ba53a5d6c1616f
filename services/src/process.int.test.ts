/** Tests of programs that tests start. */
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { temporaryFolder } from './machine.ts';
import { startService } from './process.ts';

test('the folder of a program goes with it, and where it does not get ready', async () => {
  const [ready, never] = [temporaryFolder(), temporaryFolder()];
  const args = ['-e', 'setInterval(() => {}, 1_000)'];
  const { stop } = await startService(process.execPath, args, { isReady: async () => true, folder: ready });
  expect(existsSync(ready.path)).toBe(true);
  await stop();
  expect(existsSync(ready.path)).toBe(false);
  const failing = startService(process.execPath, ['-e', 'process.exit(1)'], {
    isReady: async () => false,
    folder: never,
  });
  await expect(failing).rejects.toThrow('did not get ready');
  expect(existsSync(never.path)).toBe(false);
});
