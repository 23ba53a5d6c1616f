/** Tests of the ZIP archives that are written here, by a reader that others wrote. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { afterAll, describe, expect, test } from 'vitest';
import { createZip } from './zip.ts';

const { path: folder, remove } = temporaryFolder();
const python = spawnSync('python3', ['--version'], { stdio: 'ignore' }).status === 0 || Boolean(process.env['CI']);
const text = (name: string, content: string) => ({ name, bytes: Buffer.from(content) });
afterAll(remove);

test('the same files give the same bytes, in whatever order they come', () => {
  const [one, other] = [text('a.js', 'a'), text('b.js', 'b')];
  expect(createZip([other, one])).toEqual(createZip([one, other]));
});

describe.skipIf(!python)('Python', () => {
  test('reads every file, with its mode', () => {
    const file = join(folder, 'x.zip');
    writeFileSync(file, createZip([text('index.js', 'x'.repeat(100_000)), text('e.js', ''), text('ä/é.js', 'é')]));
    const program = `import json, zipfile
z = zipfile.ZipFile(${JSON.stringify(file)})
print(json.dumps([z.testzip(), [[i.filename, i.file_size, oct(i.external_attr >> 16)] for i in z.infolist()], z.read('ä/é.js').decode()]))`;
    const { stdout, stderr } = spawnSync('python3', ['-c', program], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual([
      null,
      [
        ['e.js', 0, '0o100644'],
        ['index.js', 100_000, '0o100644'],
        ['ä/é.js', 2, '0o100644'],
      ],
      'é',
    ]);
  });
});
