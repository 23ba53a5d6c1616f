import { randomBytes } from 'node:crypto';
import { openExportFile } from './export-file.ts';

/** A writer in a process of its own: adds blocks that cannot be compressed to an export, and says each that was written. */
const [, , path = '', blocks = '1'] = process.argv;
const file = await openExportFile(path, { create: true });
for await (const block of file.blocks()) process.stdout.write(`found ${block.length}\n`);
for (let position = 1; position <= Number(blocks); position += 1) {
  await file.append([{ position, bytes: Buffer.from(`${randomBytes(30_000).toString('hex')}\n\n`) }]);
  process.stdout.write(`written ${position}\n`);
}
process.stdout.write('waiting\n');
setInterval(() => {}, 1_000);
