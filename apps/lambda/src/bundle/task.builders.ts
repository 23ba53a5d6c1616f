/** The function's code as Lambda unpacks it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'certbus-services';
import { buildFiles } from './build.builders.ts';
import { createZip } from './zip.ts';

/** Builds the archive into a folder, has Python unpack it next to it, and returns the folder of the code, and the size of the archive in bytes. */
export async function unpackBundle(folder: string): Promise<{ readonly task: string; readonly bytes: number }> {
  const [archive, task] = [join(folder, 'lambda.zip'), join(folder, 'task')];
  const zip = createZip(await buildFiles());
  writeFileSync(archive, zip);
  await run('python3', ['-m', 'zipfile', '-e', archive, task]);
  return { task, bytes: zip.length };
}
