import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { expect, test } from 'vitest';
import { createMemoryLog } from '../adapters/memory.ts';
import { openExportFile } from '../adapters/places/export-file.ts';
import { beginBus, writeCommits } from '../bus.builders.ts';
import { openBus } from '../bus.ts';
import { exportBus } from '../recovery/backup.ts';

const hasZstd = spawnSync('zstd', ['--version']).status === 0;
const skip = !hasZstd && !process.env['CI'];
const reason = skip ? ' (skipped: the program zstd is not installed)' : '';

test.skipIf(skip)(`a stock zstd shows the text of an export of several blocks${reason}`, async () => {
  const folder = temporaryFolder();
  const path = join(folder.path, 'export');
  const log = createMemoryLog();
  const { keys } = await beginBus(log);
  for (const count of [20, 0]) {
    if (count > 0) await writeCommits(log, { keys, count });
    const file = await openExportFile(path, { create: true });
    await exportBus(openBus(log, 'test', keys), file);
    await file.close();
  }
  const { commits } = await log.read('test', 0);
  const text = commits.map(({ bytes }) => Buffer.from(bytes).toString()).join('');
  expect(execFileSync('zstd', ['-dc', path]).toString()).toBe(text);
  folder.remove();
});
