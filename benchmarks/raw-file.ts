import { randomBytes } from 'node:crypto';
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { perSecond } from './slices.ts';

const FILES = 5;

/**
 * Appends a second to plain files, each flushed to the disk: the same bytes, and no promise beside that of being there. It takes
 * several files one after the other, since how fast one is flushed depends on where the file system puts it.
 */
export async function rawRate({ appends, bytes }: { appends: number; bytes: number }): Promise<number> {
  const folder = temporaryFolder();
  const each = appends / FILES;
  let seconds = 0;
  for (let number = 0; number < FILES; number += 1) {
    const file = openSync(join(folder.path, String(number)), 'ax');
    const rate = await perSecond(each, () => {
      for (let n = 0; n < each; n += 1) {
        writeSync(file, randomBytes(bytes));
        fdatasyncSync(file);
      }
    });
    seconds += each / rate;
    closeSync(file);
  }
  folder.remove();
  return appends / seconds;
}
